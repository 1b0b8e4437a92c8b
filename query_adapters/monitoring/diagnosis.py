"""The outcome of a diagnosis: what was looked at, what was seen, and what to do."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from query_adapters.text.shown import one_line

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        name: What was looked at.
        status: "ok"; "warning" if something is worth doing; "failed" if what is served is wrong;
            "skipped" if it could not be checked.
        seen: What was seen, or why it could not be checked.
        advice: What to do; empty if nothing.
    """

    name: str
    status: Status
    seen: str
    advice: str = ""

    def __str__(self) -> str:
        to_do = f"; {self.advice}" if self.advice else ""
        return f"{self.status:<8} {self.name:<10} {one_line(self.seen + to_do)}"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All checks of an adapter that serves.

    Attributes:
        checks: The checks, in the order in which they were made.
    """

    checks: tuple[Check, ...]

    @property
    def needs_action(self) -> bool:
        """Whether a check failed or warns."""
        return any(check.status in ("warning", "failed") for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        """Return the check of this name.

        Raises:
            KeyError: If there is none.
        """
        return {check.name: check for check in self.checks}[name]

    def to_record(self) -> dict[str, Any]:
        """Return the checks as JSON can hold them."""
        return {
            "needs_action": self.needs_action,
            "checks": [asdict(check) for check in self.checks],
        }

    def __str__(self) -> str:
        return "\n".join(map(str, self.checks))
