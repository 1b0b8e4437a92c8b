"""A LlamaIndex embedding model as a `TextEmbedder` of the core."""

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from llama_index.core.async_utils import asyncio_run, run_jobs
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.embeddings import resolve_embed_model

from llama_index_finetune_plugin._delegation import aquery_vector, query_vector
from llama_index_finetune_plugin._queries import Embed, batch_method, embed_batch, runs_here
from query_adapters.arrays import as_matrix
from query_adapters.embedders.batching import stacked
from query_adapters.embedders.identity import identity_of, innermost, model_name_of
from query_adapters.embedders.resolve import is_ours
from query_adapters.embedders.role_mixing import warn_of_mixed_roles
from query_adapters.providers.failures import unreadable_answers_of
from query_adapters.providers.secrets import remember_secrets_of
from query_adapters.typing import Vectors

LOCAL_BATCH_SIZE = 64  # enough to sort texts of similar length into one batch

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from query_adapters.embedders import TextEmbedder

    BaseLike = BaseEmbedding | Embeddings | TextEmbedder | str
else:
    BaseLike = Any


class LlamaIndexEmbedder:
    """A `TextEmbedder` over a LlamaIndex embedding model.

    Documents go in the model's own batches. LlamaIndex has no batches for queries, but some
    models' classes have: OpenAI's, Cohere's, Hugging Face's and those in `QUERY_BATCH_METHODS`
    get them so, with one event per batch. Any other model is asked query by query, or as many at
    once as it has `num_workers`.

    Args:
        embed_model: The model, a string that LlamaIndex resolves to one, or a LangChain
            `Embeddings`.
    """

    def __init__(self, embed_model: BaseLike) -> None:
        self.embed_model = resolve_base(embed_model)
        remember_secrets_of(innermost(self.embed_model))

    @property
    def identity(self) -> str:
        """Identifier of this model's vectors, without secrets."""
        return identity_of(self.embed_model)

    @property
    def model_name(self) -> str:
        """The model's name, as LlamaIndex knows it."""
        return model_name_of(self.embed_model)

    @property
    def batch_size(self) -> int:
        """The model's `embed_batch_size`; at least 64 for a local model."""
        size = self.embed_model.embed_batch_size
        return max(size, LOCAL_BATCH_SIZE) if runs_here(self.embed_model) else size

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite, or differ in number or length.
            ProviderError: If the model's class cannot read the provider's answer.
        """
        embed, size = self.embed_model.get_text_embedding_batch, self.embed_model.embed_batch_size
        with unreadable_answers_of(self.model_name):
            return self._in_batches(embed, texts, size)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`.

        Works inside a running event loop too.

        Raises:
            InvalidVectorsError: If they are not finite, or differ in number or length.
            ProviderError: If the model's class cannot read the provider's answer.
        """
        with unreadable_answers_of(self.model_name):
            return self._embed_queries(texts)

    def _embed_queries(self, texts: Sequence[str]) -> Vectors:
        model, embed = self.embed_model, batch_method(self.embed_model)
        if embed is not None:
            several = partial(embed_batch, model, embed)
            return self._in_batches(several, texts, self.batch_size)
        n_workers = self.embed_model.num_workers or 1
        if n_workers == 1:
            return as_matrix([self._embed_query(text) for text in texts], len(texts))
        jobs = [self._aembed_query(text) for text in texts]
        return as_matrix(asyncio_run(run_jobs(jobs, workers=n_workers)), len(texts))

    def _in_batches(self, embed: Embed, texts: Sequence[str], size: int) -> Vectors:
        """Return the vectors; each request must give one per text, so that none shifts."""
        batches = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
        return stacked([as_matrix(embed(batch), len(batch)) for batch in batches])

    def _embed_query(self, text: str) -> Embedding:
        model = self.embed_model
        if model.embeddings_cache is None:
            return model.get_query_embedding(text)
        return query_vector(
            model, text, wrapper=model
        )  # the public method would store it among documents

    async def _aembed_query(self, text: str) -> Embedding:
        model = self.embed_model
        if model.embeddings_cache is None:
            return await model.aget_query_embedding(text)
        return await aquery_vector(model, text, wrapper=model)


def resolve_base(embed_model: Any) -> BaseEmbedding:
    """Return the model itself, the model of this name, or another model wrapped for LlamaIndex.

    A name is one for `resolve_embedder`, such as "openai/text-embedding-3-small", or a string that
    LlamaIndex resolves, such as "local:BAAI/bge-small-en-v1.5".

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
    """
    if isinstance(embed_model, BaseEmbedding):
        return embed_model
    if is_ours(embed_model) and not _is_langchain(embed_model):
        from llama_index_finetune_plugin.named import NamedEmbedding

        return NamedEmbedding(embed_model)
    if isinstance(embed_model, str):
        return resolve_embed_model(embed_model)
    if _is_langchain(embed_model):
        from llama_index_finetune_plugin._langchain import LangChainEmbedding  # when there is one

        warn_of_mixed_roles(embed_model)
        return LangChainEmbedding(langchain_embeddings=embed_model)
    raise TypeError(
        "expected a LlamaIndex embedding model (BaseEmbedding), a string such as "
        "'local:BAAI/bge-small-en-v1.5' or a LangChain Embeddings, got "
        f"{type(embed_model).__name__}"
    )


def _is_langchain(model: Any) -> bool:
    module = sys.modules.get("langchain_core.embeddings")  # None without LangChain
    return module is not None and isinstance(model, module.Embeddings)
