"""The interface of every fine-tuning engine: `finetune()`, then `result`."""

from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from query_adapters.errors import NotFinetunedError

Result_co = TypeVar("Result_co", covariant=True)


class Finetuner(Protocol[Result_co]):
    """The work of an engine: trains and saves."""

    @property
    def output(self) -> Path:
        """Folder of the adapter."""

    def run(self) -> Result_co:
        """Return the result, saved in that folder."""


class FinetuneEngine(Generic[Result_co]):
    """Base of the engines: `finetune()` trains once, `result` returns what was saved."""

    _otherwise: ClassVar[str] = (
        "serve an adapter that is there already by putting its folder on the base model"
    )
    _finetuner: Finetuner[Result_co]
    _result: Result_co | None = None

    def finetune(self) -> None:
        """Embed the texts that are not embedded yet, train, and save to `model_output_path`.

        Raises:
            InvalidVectorsError: If the model gives vectors that are not finite.
            DimensionMismatchError: If model, index and `dim` do not agree.
            ProviderRefusedError: If the model's provider refuses the key.
        """
        self._result = self._finetuner.run()

    @property
    def result(self) -> Result_co:
        """The saved model, its verdict and the measurements behind it.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        if self._result is None:
            raise NotFinetunedError(
                "expected a fine-tuned engine, got none; call finetune() first, or "
                f"{self._otherwise}"
            )
        return self._result

    @property
    def _saved_folder(self) -> Path:
        """Folder of what was saved.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        _ = self.result
        return self._finetuner.output


class WrappedEngine(Generic[Result_co]):
    """Base of an engine that imports its core engine when it is constructed."""

    _engine: FinetuneEngine[Result_co]

    def finetune(self) -> None:
        """Train, compare on the held-out questions, and save to `model_output_path`.

        Raises:
            AdapterMismatchError: If the model ranks by neither cosine nor dot, or for
                train="query" has routes already.
            DimensionMismatchError: If the index's vectors have another length.
            InvalidDatasetError: If there are too few questions to hold any out.
        """
        self._engine.finetune()

    @property
    def result(self) -> Result_co:
        """The saved model, the base against the tuned one, and the verdict.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return self._engine.result
