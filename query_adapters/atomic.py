"""Replace files atomically: a reader finds either the old content or the new one."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4


def replace_file(path: str | Path, parts: Iterable[bytes]) -> Path:
    """Write the parts to the file durably, and return its path.

    The parts are written to a temporary file, which then replaces the file; a failure in between
    leaves the file unchanged. A link stays a link and a file keeps its permissions. A path that is
    not a regular file, such as `/dev/stdout`, is written directly.
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
