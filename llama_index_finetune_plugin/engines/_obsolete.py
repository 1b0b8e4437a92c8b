"""Options of LlamaIndex's old engine without an effect here, and what replaced them."""

import warnings
from collections.abc import Mapping
from typing import Any, TypedDict

from query_adapters.errors import ObsoleteOptionWarning

RESUMES = "embeddings computed so far are kept in the output folder, so a rerun resumes"

REPLACEMENTS: Mapping[str, str] = {
    "batch_size": "training solves one problem over all pairs; the model's embed_batch_size sets "
    "how many texts are embedded at once",
    "epochs": "training runs to the optimum; `strengths` limits how far the map moves",
    "model_checkpoint_path": RESUMES,
    "checkpoint_save_steps": RESUMES,
    "steps_per_epoch": "training runs to the optimum",
    "warmup_steps": "there is no learning rate to warm up",
    "optimizer_class": "the problem is convex and L-BFGS finds its optimum",
    "optimizer_params": "there is no learning rate; `strengths` limits how far the map moves",
    "max_grad_norm": "gradients are not clipped",
    "show_progress_bar": "`verbose` shows the progress bars",
    "output_path": "`model_output_path` is the folder",
    "model_cls": "the folder records which kind of adapter it holds",
}


class ObsoleteOptions(TypedDict, total=False):
    """Those that are accepted as keywords only."""

    steps_per_epoch: Any
    warmup_steps: Any
    optimizer_class: Any
    optimizer_params: Any
    max_grad_norm: Any
    show_progress_bar: Any
    output_path: Any
    model_cls: Any


def without_obsolete(options: Mapping[str, Any], *, stacklevel: int) -> dict[str, Any]:
    """Return the options that have an effect; one warning names the others.

    Args:
        options: The options that were given.
        stacklevel: Frames between the caller of the engine and this function.
    """
    obsolete = [name for name in options if name in REPLACEMENTS]
    if obsolete:
        reasons = "; ".join(f"{name}: {REPLACEMENTS[name]}" for name in obsolete)
        warnings.warn(
            f"these options have no effect, leave them out: {reasons}",
            ObsoleteOptionWarning,
            stacklevel=stacklevel + 1,
        )
    return {name: value for name, value in options.items() if name not in obsolete}
