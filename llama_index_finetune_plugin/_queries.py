"""Questions in batches, for the models whose class can embed them so; LlamaIndex has no way to.

A batch is what the class itself does for one question, done for several: the same text,
instruction and `input_type`. A class that is not known here is asked question by question.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding

from llama_index_finetune_plugin._delegation import acquire, announced
from query_adapters.embedders.identity import defined_in

Embed = Callable[[list[str]], list[Embedding]]
COHERE = "llama_index.embeddings.cohere.base.CohereEmbedding"
HUGGING_FACE = "llama_index.embeddings.huggingface.base.HuggingFaceEmbedding"
OPENAI = "llama_index.embeddings.openai.base.OpenAIEmbedding"


def runs_here(model: BaseEmbedding) -> bool:
    """Return whether it is a model on this machine that cuts what it gets into its own batches."""
    return asked_by(model) == HUGGING_FACE


def asked_by(model: BaseEmbedding) -> str:
    """Return the class that embeds the model's questions: its own, or one that it inherits from."""
    return defined_in(model, "_get_query_embedding")


def batch_method(model: BaseEmbedding) -> Embed | None:
    """Return what embeds several questions as the model embeds one; None where nothing does.

    A cache of the model's own is filled question by question.
    """
    make = MAKERS.get(asked_by(model))
    return None if make is None or model.embeddings_cache is not None else make(model)


def embed_batch(model: BaseEmbedding, embed: Embed, texts: list[str]) -> list[Embedding]:
    """Return the questions' vectors, for one permit of the rate limiter and one event."""
    with announced(model, texts) as vectors:
        acquire(model)
        vectors.extend(embed(texts))
    return vectors


def _of_cohere(model: Any) -> Embed:
    return partial(model._embed, input_type="search_query")


def _of_hugging_face(model: Any) -> Embed:
    return partial(model._embed, prompt_name="query")


def _of_openai(model: Any) -> Embed | None:
    """Return its method for documents, where questions go to the same engine in the same way."""
    alike = model._query_engine == model._text_engine
    own = defined_in(model, "_get_text_embeddings") == OPENAI
    return model._get_text_embeddings if alike and own else None


MAKERS: dict[str, Callable[[Any], Embed | None]] = {
    COHERE: _of_cohere,
    HUGGING_FACE: _of_hugging_face,
    OPENAI: _of_openai,
}
