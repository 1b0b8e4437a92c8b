"""Load, copy, interpolate and combine sentence-transformers models."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Literal

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module, Router
from transformers.utils import logging

from query_adapters.errors import AdapterMismatchError

Ranking = Literal["cosine", "dot"]
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # in the order of `encode_document`


def load_model(
    model_id: str, *, device: str | None = None, trust_remote_code: bool = False
) -> SentenceTransformer:
    """Return the model from the Hub or from a folder."""
    return SentenceTransformer(model_id, device=device, trust_remote_code=trust_remote_code)


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Hide the progress bars of transformers, unless `shown`."""
    were_shown = logging.is_progress_bar_enabled()
    if not shown:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if were_shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def ranking_of(model: SentenceTransformer) -> Ranking:
    """Return the similarity that the model's vectors are ranked by.

    Raises:
        AdapterMismatchError: If it is neither cosine similarity nor the dot product.
    """
    name = str(model.similarity_fn_name)
    if name == "cosine":
        return "cosine"
    if name == "dot":
        return "dot"
    raise AdapterMismatchError(
        f"expected a model that ranks by cosine or dot, got {name}; set its similarity_fn_name"
    )


def prompt_of(model: SentenceTransformer, names: tuple[str, ...]) -> str:
    """Return the first of these prompts that the model has, else its default prompt, else ""."""
    known = {name: prompt for name, prompt in model.prompts.items() if prompt is not None}
    default = known.get(model.default_prompt_name or "", "")
    return next((known[name] for name in names if name in known), default)


def has_routes(model: SentenceTransformer) -> bool:
    """Return whether the model embeds questions and documents by different modules."""
    return any(isinstance(module, Router) for module in model.children())


def two_towers(query: SentenceTransformer, document: SentenceTransformer) -> SentenceTransformer:
    """Return one model that embeds questions with the first, and all other texts with the second.

    Raises:
        AdapterMismatchError: If one of them has routes already.
    """
    if has_routes(query) or has_routes(document):
        raise AdapterMismatchError(
            "expected a model with one tower, got one that routes questions separately already; "
            "fine-tune the model that it was made from"
        )
    router = Router.for_query_document(_modules(query), _modules(document))
    return like(document, [router])


def _modules(model: SentenceTransformer) -> list[Module]:
    return [module for module in model.children() if isinstance(module, Module)]


def like(model: SentenceTransformer, modules: list[torch.nn.Module]) -> SentenceTransformer:
    """Return a model of these modules with the prompts and the similarity of the given model."""
    return SentenceTransformer(
        modules=modules,
        device=str(model.device),
        prompts={name: prompt or "" for name, prompt in model.prompts.items()},
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
    )


def copy_of(model: SentenceTransformer) -> SentenceTransformer:
    """Return a copy that shares no weights with the model."""
    return deepcopy(model)


def interpolated(
    base: SentenceTransformer, tuned: SentenceTransformer, share: float
) -> SentenceTransformer:
    """Return the model whose weights lie `share` of the way from the base to the tuned one.

    Args:
        base: The model before training.
        tuned: The model after training; returned itself at `share` 1.
        share: α in [0, 1].

    Source: Wortsman et al., Robust fine-tuning of zero-shot models (2022), section 3 (WiSE-FT).
    """
    if share == 1:
        return tuned
    ends = tuned.state_dict()
    mixed = copy_of(base)
    with torch.no_grad():
        for name, start in mixed.state_dict().items():
            if start.is_floating_point():  # the others are positions and counts
                end = ends[name].to(device=start.device, dtype=start.dtype)
                start.lerp_(end, share)
    return mixed
