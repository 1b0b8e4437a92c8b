"""Rows of JSON, JSONL and YAML files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from query_adapters._extras import require_extra
from query_adapters.data.lines import read_rows
from query_adapters.data.readers.table import Row
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.foreign import refusing
from query_adapters.files.json_reading import MAX_DEPTH, expanded_size, read_json_file
from query_adapters.files.reading import WHOLE_BYTES, read_text
from query_adapters.text.shown import quoted

MAX_VALUES = 10_000_000  # of a YAML file, whose aliases may repeat a part any number of times
TEXT = "tag:yaml.org,2002:str"
LISTS = ("examples", "tests", "goldens", "data", "records", "rows")  # keys that hold the rows


def read_jsonl(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the objects of a JSONL file; see `read_rows`."""
    return read_rows(path)


def read_json(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the objects of a JSON file: a list of them, or an object that holds such a list.

    Raises:
        InvalidDatasetError: If it is not such JSON.
    """
    return _entries(parse_json(path), path)


def parse_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InvalidDatasetError: If it is not JSON.
    """
    return read_json_file(path, error=InvalidDatasetError, limit=WHOLE_BYTES)


def read_yaml(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the objects of a YAML file, as of a JSON file (extra: yaml).

    Raises:
        MissingExtraError: If PyYAML is not installed.
        InvalidDatasetError: If it is not such YAML.
    """
    text = read_text(path, error=InvalidDatasetError)
    loader = _yaml_loader()
    with refusing(str(path), "YAML", error=InvalidDatasetError):
        content = loader(text).get_single_data()
    if expanded_size(content, most=MAX_VALUES) > MAX_VALUES:
        raise InvalidDatasetError(
            f"{path}: expected at most {MAX_DEPTH} levels and {MAX_VALUES:,} values, those that "
            "aliases repeat included, got more; write it without aliases"
        )
    return _entries(content, path)


def _yaml_loader() -> Any:
    """Return PyYAML's safe loader with a limit of nesting, which takes it a time of its square.

    Keys are texts, as in JSON, also those that YAML takes for numbers or dates.
    """
    require_extra("yaml")
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise yaml.YAMLError(f"more than {MAX_DEPTH} levels")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            if isinstance(node, yaml.MappingNode):
                self.flatten_mapping(node)  # what is merged has keys too
                for key, _ in node.value:
                    key.tag = TEXT if isinstance(key, yaml.ScalarNode) else key.tag
            return super().construct_mapping(node, deep)

    return Loader


def _entries(content: Any, path: Path) -> Iterator[tuple[str, Row]]:
    key, rows = "", content
    if isinstance(content, Mapping):
        key = next((name for name in LISTS if isinstance(content.get(name), list)), "")
        rows = content.get(key)
    if not isinstance(rows, list):
        raise InvalidDatasetError(
            f"{path}: expected a list of objects, an object with one under {', '.join(LISTS)}, or "
            f"one with queries, corpus and relevant_docs; got {_described(content)}"
        )
    for position, row in enumerate(rows):
        place = f"{path}: {key}[{position}]"
        if not isinstance(row, Mapping):
            raise InvalidDatasetError(f"{place}: expected an object, got {quoted(row)}")
        yield place, row


def _described(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"the keys {', '.join(map(str, content))}" if content else "an empty object"
    return type(content).__name__
