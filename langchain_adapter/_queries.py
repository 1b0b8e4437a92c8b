"""Questions in batches, for the models whose class can embed them so; LangChain has no way to.

A batch is what the class itself does for one question, done for several: the same text,
instruction and `input_type`. A class that is not known here is asked question by question.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from langchain_core.embeddings import Embeddings

from query_adapters.embedders.identity import defined_in

Embed = Callable[[list[str]], list[list[float]]]
COHERE = "langchain_cohere.embeddings.CohereEmbeddings"
HUGGING_FACE = "langchain_huggingface.embeddings.huggingface.HuggingFaceEmbeddings"
OPENAI = "langchain_openai.embeddings.base.OpenAIEmbeddings"


def batch_method(embeddings: Embeddings) -> Embed | None:
    """Return what embeds several questions as the model embeds one; None where nothing does."""
    make = MAKERS.get(defined_in(embeddings, "embed_query"))
    return None if make is None else make(embeddings)


def _of_cohere(embeddings: Any) -> Embed:
    return partial(embeddings.embed, input_type="search_query")


def _of_hugging_face(embeddings: Any) -> Embed:
    options = embeddings.query_encode_kwargs or embeddings.encode_kwargs
    return partial(embeddings._embed, encode_kwargs=options)


def _of_openai(embeddings: Embeddings) -> Embed:
    return embeddings.embed_documents  # which is how it embeds a question, too


MAKERS: dict[str, Callable[[Any], Embed]] = {
    COHERE: _of_cohere,
    HUGGING_FACE: _of_hugging_face,
    OPENAI: _of_openai,
}
