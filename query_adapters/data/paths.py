"""Load datasets from files, folders and tables of many formats, and write them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from query_adapters.data.answers import AnsweredQuestion
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.formats import write_beir, write_llama_index_json
from query_adapters.data.lines import read_rows
from query_adapters.data.readers.examples import Skipped, questions_of, to_dataset, to_questions
from query_adapters.data.readers.reading import read_examples
from query_adapters.data.readers.records import READERS
from query_adapters.data.readers.registry import ROW_FORMATS, whole_format
from query_adapters.data.readers.values import id_text
from query_adapters.data.readers.writing import write_rows
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted
from query_adapters.typing import Texts

TEXT_ID = ("id", "_id", "id_")
WRITERS: Mapping[str, Callable[[RetrievalDataset, Path], None]] = {
    "beir": write_beir,
    "llama-index-qa": write_llama_index_json,
}


def load_dataset(
    source: Any,
    *,
    format: str | None = None,
    split: str | None = None,
    corpus: str | Path | Texts | None = None,
    columns: Mapping[str, str] | None = None,
) -> RetrievalDataset:
    """Return the dataset in a file, a folder or a table of any known format.

    Formats that hold passages instead of ids: each text becomes a document, whose id is the hash
    of the text; equal texts are one document. Negatives of triplets, and documents of grade 0,
    become documents that answer no question: they compete in the ranking. Rows without a question
    or without a relevant document are left out with a warning that counts them.

    Args:
        source: A path, or rows: dicts, a pandas or Hugging Face table, splits by name, or an
            object with `queries`, `corpus` and `relevant_docs`.
        format: Name of the format, recognised if None: `beir`, `llama-index-qa`, `mteb`,
            `labelled-rag`, `ragas`, `deepeval`, `argilla`, `label-studio`, `promptfoo`,
            `langsmith`, `pairs` or `table`.
        split: Split of a folder or a mapping; by default its only one, or "train".
        corpus: Document texts by id, or a file of them (see `read_texts`), for rows that name
            documents by id. Texts of rows must then be documents of the corpus.
        columns: Names of columns by role: `question`, `question_id`, `document`, `document_id`,
            `relevance`, `negative`, `answer`. Others are guessed from known names, and logged.

    Raises:
        FileNotFoundError: If the path does not exist.
        MissingExtraError: If the kind of file needs a package that is not installed.
        InvalidDatasetError: If it cannot be read, its parts do not fit together, columns are
            ambiguous, or an option does not apply to the format.
    """
    source = _located(source)
    whole = whole_format(source, format)
    if whole is not None:
        _refuse_options(source, whole.name, corpus=corpus, columns=columns)
        return whole.read(source, split)
    skipped = Skipped()
    examples = read_examples(source, skipped, format=format, split=split, columns=columns)
    texts = corpus if corpus is None or isinstance(corpus, Mapping) else read_texts(corpus)
    return to_dataset(examples, skipped, texts)


def load_questions(
    source: Any,
    *,
    format: str | None = None,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[AnsweredQuestion, ...]:
    """Return the questions of a test set with their passages and answers.

    Unlike `load_dataset` it keeps questions that have an answer and no passage.

    Args:
        source: As in `load_dataset`.
        format: As in `load_dataset`.
        split: As in `load_dataset`.
        columns: As in `load_dataset`.

    Raises:
        FileNotFoundError: If the path does not exist.
        MissingExtraError: If the kind of file needs a package that is not installed.
        InvalidDatasetError: As in `load_dataset`.
    """
    source = _located(source)
    whole = whole_format(source, format)
    if whole is not None:
        _refuse_options(source, whole.name, corpus=None, columns=columns)
        return questions_of(whole.read(source, split))
    skipped = Skipped()
    examples = read_examples(source, skipped, format=format, split=split, columns=columns)
    return to_questions(examples, skipped)


def write_dataset(
    dataset: RetrievalDataset, path: str | Path, *, format: str | None = None
) -> None:
    """Write the dataset; missing folders are created, and a warning names what a format loses.

    Args:
        dataset: The dataset.
        path: A LlamaIndex QA file (`.json`), a table of judgements (`.jsonl`, `.csv`, `.tsv`,
            `.parquet`), or split `train` of a BEIR folder.
        format: Another format: `ragas`, `deepeval`, `labelled-rag` or `pairs`.

    Raises:
        MissingExtraError: If the kind of file needs a package that is not installed.
        InvalidDatasetError: If the format cannot be written to such a file.
    """
    path = Path(path)
    name = format or _format_for(path)
    if name in ROW_FORMATS:
        write_rows(dataset, path, ROW_FORMATS[name])
    elif name in WRITERS:
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[name](dataset, path)
    else:
        raise InvalidDatasetError(f"{path}: datasets are not written as {name!r}")


def read_texts(path: str | Path) -> dict[str, str]:
    """Return the texts in a JSONL file, by id: objects with `id` and `text`.

    BEIR's `_id`, and `id_` and `page_content` as LlamaIndex and LangChain write their nodes and
    documents, are understood as well.

    Raises:
        InvalidDatasetError: If a line cannot be read, or an id occurs twice.
    """
    texts: dict[str, str] = {}
    for place, row in read_rows(path):
        key, text = id_of(row), row.get("text", row.get("page_content"))
        if key is None or not isinstance(text, str):
            raise InvalidDatasetError(
                f"{place}: expected an object with id and text, got {quoted(row)}"
            )
        key = id_text(key, place)
        if key in texts:
            raise InvalidDatasetError(
                f"{place}: expected unique ids, got {quoted(key)} twice; rename or drop one"
            )
        texts[key] = text
    return texts


def id_of(row: Mapping[str, Any]) -> Any:
    """Return the id of a text's row; None if it has none."""
    return next((row[name] for name in TEXT_ID if row.get(name) is not None), None)


def _format_for(path: Path) -> str:
    if path.suffix == ".json":
        return "llama-index-qa"
    return "table" if path.suffix.lower() in READERS else "beir"


def _located(source: Any) -> Any:
    """Return a path for the name of one.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    return path


def _refuse_options(source: Any, name: str, **options: Any) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise InvalidDatasetError(
            f"{source}: the format {name} holds its own documents by id; {given[0]} is for rows"
        )
