"""A fine-tuned sentence-transformers model in LlamaIndex (extra: huggingface)."""

from functools import cached_property
from pathlib import Path
from typing import Any

from query_adapters._extras import require_extra

require_extra("huggingface")

from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from query_adapters.embedders.identity import identity_from
from query_adapters.embedders.sentence_transformers import settings_of
from query_adapters.errors import UnknownModelError
from query_adapters.files.json_reading import read_json_file
from query_adapters.model_tuning.models import DOCUMENT_PROMPTS

CONFIG = "config_sentence_transformers.json"


class SentenceTransformersEmbedding(HuggingFaceEmbedding):
    """A HuggingFaceEmbedding that uses the model's own prompt and route for each role.

    A plain HuggingFaceEmbedding ignores the prompts that are saved with a model, and embeds queries
    by the document route of a model with routes.

    Args:
        model_name: The model's folder.
        embed_batch_size: Texts at once.
        max_length: The most tokens of a text that the model reads; by default its own limit.
        normalize: Whether vectors are normalized to length 1; by default if the model ranks by
            cosine.
        query_instruction: Prefix of queries, instead of the model's own prompt.
        text_instruction: The same for documents.
        device: Device to run on.
        trust_remote_code: Whether code that comes with the model may run.
        callback_manager: As in every embedding model.
        show_progress_bar: Whether to show a progress bar.

    Raises:
        FileNotFoundError: If there is no such folder.
    """

    max_length: int | None = Field(default=None)  # type: ignore[assignment]  # some have none

    def __init__(
        self,
        model_name: str | Path,
        *,
        embed_batch_size: int = 32,
        max_length: int | None = None,
        normalize: bool | None = None,
        query_instruction: str | None = None,
        text_instruction: str | None = None,
        device: str | None = None,
        trust_remote_code: bool = False,
        callback_manager: CallbackManager | None = None,
        show_progress_bar: bool = False,
    ) -> None:
        if not Path(model_name).is_dir():
            raise FileNotFoundError(
                f"expected the folder of a sentence-transformers model, got {model_name}, "
                "which does not exist; correct the path"
            )
        config = _config(Path(model_name))
        prompts = config.get("prompts") or {}
        document = next((prompts[name] for name in DOCUMENT_PROMPTS if name in prompts), None)
        is_cosine = config.get("similarity_fn_name") in (None, "cosine")
        super().__init__(
            model_name=str(model_name),
            embed_batch_size=embed_batch_size,
            max_length=max_length,
            normalize=is_cosine if normalize is None else normalize,
            query_instruction=query_instruction or prompts.get("query"),
            text_instruction=text_instruction or document,
            device=device,
            trust_remote_code=trust_remote_code,
            callback_manager=callback_manager,
            show_progress_bar=show_progress_bar,
        )

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "SentenceTransformersEmbedding"

    @cached_property
    def identity(self) -> str:
        """Identifier of these vectors; a folder may hold another model later."""
        settings = {**settings_of(self._model), "normalize": self.normalize}
        return identity_from(self.class_name(), self.model_name, settings)

    def _embed(self, inputs: list[Any], prompt_name: str | None = None) -> list[list[float]]:
        vectors = self._model.encode(
            inputs,
            task="query" if prompt_name == "query" else "document",
            prompt_name=prompt_name,
            batch_size=self.embed_batch_size,
            normalize_embeddings=self.normalize,
            show_progress_bar=self.show_progress_bar,
        )
        embeddings: list[list[float]] = vectors.tolist()
        return embeddings


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    found = read_json_file(path, error=UnknownModelError) if path.is_file() else {}
    return found if isinstance(found, dict) else {}
