"""A LlamaIndex embedding model for an index of 8-bit whole numbers or bits."""

from typing import Any, ClassVar

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager
from pydantic import InstanceOf

from llama_index_finetune_plugin._delegation import aquery_vector, query_vector
from llama_index_finetune_plugin._wrapping import WrappingEmbedding
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from query_adapters.stores.stored_form import EncodedModel, StoredForm


class EncodedEmbedding(EncodedModel, WrappingEmbedding):
    """Gives queries and documents the form in which an index keeps them.

    Put it around the adapted model: `EncodedEmbedding(adapted, StoredForm(precision="ubinary"))`.

    Args:
        base_embed_model: The embedding model, or its name; or a LangChain `Embeddings`.
        stored_form: How the index keeps vectors.
        embed_batch_size: Documents per call; the base's if left out.
        callback_manager: As in every embedding model.
        num_workers: Asynchronous calls at once; the base's if left out.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
    """

    own_fields: ClassVar[tuple[str, ...]] = ("stored_form",)

    stored_form: InstanceOf[StoredForm] = Field(exclude=True, repr=False, frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        stored_form: StoredForm,
        *,
        embed_batch_size: int | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(
            base_embed_model,
            embed_batch_size=embed_batch_size,
            callback_manager=callback_manager,
            num_workers=num_workers,
            stored_form=stored_form,
        )

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "EncodedEmbedding"

    @property
    def _inner(self) -> Any:
        return self.base_embed_model

    def embed_queries(self, texts: list[str]) -> list[Embedding]:
        """Return the vectors of queries, in the base's batches if it has them."""
        embedder = LlamaIndexEmbedder(self.base_embed_model)
        return self._encoded(embedder.embed_queries(texts))

    def _get_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model
        return self._encoded([query_vector(base, query, wrapper=base)])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model
        return self._encoded([await aquery_vector(base, query, wrapper=base)])[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._encoded([super()._get_text_embedding(text)])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return self._encoded([await super()._aget_text_embedding(text)])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._encoded(super()._get_text_embeddings(texts))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._encoded(await super()._aget_text_embeddings(texts))
