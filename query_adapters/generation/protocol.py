"""The protocol that generation requires of a language model."""

from typing import Protocol


class TextGenerator(Protocol):
    """A language model that answers one prompt with one text.

    Calls are concurrent, always on the same event loop.
    """

    @property
    def model_name(self) -> str:
        """The model's name, which is part of the key of its answers in a journal."""

    async def complete(self, prompt: str) -> str:
        """Return the model's answer unparsed; preambles, markers and JSON are parsed later."""
