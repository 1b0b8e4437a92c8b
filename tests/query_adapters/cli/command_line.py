"""Commands in this process, and what came of them."""

import json
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner, Result

from query_adapters.cli import app


@dataclass(frozen=True)
class CommandLine:
    """Runs commands in this process."""

    runner: CliRunner = field(default_factory=CliRunner)

    def run(self, *arguments: object) -> Result:
        """Return what came of a command, whatever it was."""
        return self.runner.invoke(app, [str(argument) for argument in arguments])

    def text(self, *arguments: object) -> str:
        """Return what a command that went well has printed."""
        ran = self.run(*arguments)
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    def json(self, *arguments: object) -> Any:
        """Return what a command that went well has printed as JSON."""
        return json.loads(self.text(*arguments, "--json"))

    def refusal(self, *arguments: object, status: int = 1) -> str:
        """Return what is on stderr of a command that fails with this status."""
        ran = self.run(*arguments)
        assert ran.exit_code == status, (ran.output, ran.exception)
        assert ran.stdout == ""
        return ran.stderr
