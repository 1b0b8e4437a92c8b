"""Lock an open file; the operating system releases the lock when the process ends."""

import sys

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
    import os

    FAR = 1 << 40  # Windows locks bytes; a byte far beyond the end keeps the content readable

    def lock(file: int) -> None:
        """Lock the file; OSError if another process has locked it."""
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: int) -> None:
        """Lock the file; OSError if another process has locked it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
