"""Run commands of the command line in this process."""

import json
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner, Result

from query_adapters.cli import app


@dataclass(frozen=True)
class CommandLine:
    """A runner for commands in this process."""

    runner: CliRunner = field(default_factory=CliRunner)

    def run(self, *arguments: object) -> Result:
        """Run a command and return its result."""
        return self.runner.invoke(app, [str(argument) for argument in arguments])

    def text(self, *arguments: object) -> str:
        """Run a command that must succeed and return its stdout."""
        ran = self.run(*arguments)
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    def json(self, *arguments: object) -> Any:
        """Run a command with --json that must succeed and return the parsed output."""
        return json.loads(self.text(*arguments, "--json"))

    def refusal(self, *arguments: object, status: int = 1) -> str:
        """Run a command that must fail with this status and return its stderr."""
        ran = self.run(*arguments)
        assert ran.exit_code == status, (ran.output, ran.exception)
        assert ran.stdout == ""
        return ran.stderr
