"""The one thing that generation asks of a language model."""

from typing import Protocol


class TextGenerator(Protocol):
    """A language model that answers one prompt with one text.

    Many calls are under way at once, always on the same event loop.
    """

    @property
    def model_name(self) -> str:
        """The model's name; answers in a journal are known by it and by the prompt."""

    async def complete(self, prompt: str) -> str:
        """Return the model's answer, as it is: preambles, marks and JSON are dealt with later."""
