"""Files that are replaced in one step: a reader finds the old content or the new one, whole."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4


def replace_file(path: str | Path, parts: Iterable[bytes]) -> Path:
    """Return the path, which now holds the parts, durably.

    They are written beside the file and then moved into its place: whatever fails in between
    leaves it as it was. A link stays a link, a file keeps its permissions; what is no file, such
    as `/dev/stdout`, is written to directly.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            stream.writelines(parts)
        return path
    target = path.resolve()
    temporary = target.with_name(f".{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return path
