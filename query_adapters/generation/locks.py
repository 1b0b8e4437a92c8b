"""A lock on an open file that the system takes back when the process dies."""

import sys

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
    import os

    FAR = 1 << 40  # Windows locks bytes: one far behind the end keeps the content readable

    def lock(file: int) -> None:
        """Make the file this process's own; OSError if it is another's."""
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: int) -> None:
        """Make the file this process's own; OSError if it is another's."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
