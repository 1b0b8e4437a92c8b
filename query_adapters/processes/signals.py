"""End a command on SIGINT, SIGTERM or SIGHUP: soon, with one line and without a traceback."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
GRACE = 1.0  # seconds for temporary files and connections to be closed
STDERR = 2
SIGNALLED = 128  # a shell's exit status of a process that a signal ended is this plus its number


class Interrupted(SystemExit):
    """Raised in the main thread by the first signal; its code is the exit status."""


class Interruption:
    """Handles the signals that end a command.

    The first signal prints one line and raises `Interrupted` in the main thread, so that temporary
    files are removed. The process ends `GRACE` seconds later, or at a second signal, whatever its
    threads do then: what is to survive was written to files in one step each. A thread of its own
    waits for signals, because Python calls handlers only after a call of C code returns. Signals
    that the process was started to ignore, as by `nohup`, stay ignored.

    Attributes:
        advice: Says what is kept and how to go on.
    """

    def __init__(self) -> None:
        self.advice: Callable[[], str] = lambda: "nothing was written; run the command again"
        self._lock = threading.Lock()
        self._said = self._raised = self._finished = False

    def install(self) -> None:
        """Handle the signals from now on; only the main thread may call this."""
        watched = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        arriving, self._wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        threading.Thread(target=self._watch, args=(arriving,), daemon=True).start()
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        for number in watched:
            signal.signal(number, self._handle)
        if hasattr(os, "register_at_fork"):  # not on Windows
            _leave_children_alone(watched)

    def finish(self) -> None:
        """Let a signal end the process at once from now on, because the work is done."""
        self._finished = True

    def _handle(self, number: int, frame: Any) -> None:
        status = SIGNALLED + number
        if self._raised:
            os._exit(status)
        self._raised = True
        self._say(number)
        if self._finished:
            os._exit(status)
        raise Interrupted(status)

    def _watch(self, arriving: int) -> None:
        """End the process even if the main thread runs C code, or waits for other threads."""
        number = _next_signal(arriving)
        status = SIGNALLED + number
        timer = threading.Timer(GRACE, os._exit, [status])
        timer.daemon = True
        timer.start()
        self._say(number)
        _next_signal(arriving)
        os._exit(status)

    def _say(self, number: int) -> None:
        """Print the line, once; nothing else is shown after it."""
        with self._lock:
            if self._said:
                return
            self._said = True
            line = f"interrupted by {signal.Signals(number).name}: {self.advice()}\n"
            start = "\n" if os.isatty(STDERR) else ""  # below a progress bar
            os.write(STDERR, (start + line).encode(errors="backslashreplace"))
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)


def _next_signal(arriving: int) -> int:
    """Wait for one of the signals, and return its number."""
    while True:
        number = os.read(arriving, 1)[0]
        if number in SIGNALS:
            return number


def _leave_children_alone(numbers: list[int]) -> None:
    """Let signals to a forked process end that process alone, as if there were no handler.

    They are blocked during the fork: the child's would be written to its parent's pipe.
    """
    masks = threading.local()

    def before() -> None:
        masks.previous = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def after() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.previous)

    def after_in_child() -> None:
        signal.set_wakeup_fd(-1)
        for number in numbers:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
        after()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)
