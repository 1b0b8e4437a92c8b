"""Which files of a folder are the adapter's own."""

from pathlib import Path

from query_adapters.errors import RegistryError
from query_adapters.files.reading import STREAM_BYTES, read_bytes

WEIGHTS, OLD_WEIGHTS = "adapter.safetensors", "pytorch_model.bin"
NAMES = (WEIGHTS, "adapter.json", "README.md", "config.json", OLD_WEIGHTS)
FOLDERS = ("lexical",)


def adapter_files(folder: Path) -> dict[str, bytes]:
    """Return the contents of an adapter's files by path; caches and journals beside it are not."""
    found = [folder / name for name in NAMES if (folder / name).is_file()]
    for name in FOLDERS:
        found += [path for path in sorted((folder / name).rglob("*")) if path.is_file()]
    paths = {path.relative_to(folder).as_posix(): path for path in found}
    return {
        name: read_bytes(path, error=RegistryError, limit=STREAM_BYTES)
        for name, path in paths.items()
        if not path.name.startswith(".")
    }
