"""Parameters of LlamaIndex's old engine that have no meaning any more, and what replaced them."""

import warnings
from collections.abc import Mapping
from typing import Any, TypedDict

RESUMES = "finished embeddings are kept in the output folder, so a rerun resumes"

REPLACEMENTS: Mapping[str, str] = {
    "batch_size": "training solves one problem over all pairs; the model's embed_batch_size rules "
    "how it is asked",
    "epochs": "training runs to its one optimum; `strengths` rules how far it moves",
    "device": "training and serving run in numpy",
    "model_checkpoint_path": RESUMES,
    "checkpoint_save_steps": RESUMES,
    "steps_per_epoch": "training runs to its one optimum",
    "warmup_steps": "there is no learning rate to warm up",
    "optimizer_class": "the problem is convex and L-BFGS finds its optimum",
    "optimizer_params": "there is no learning rate; `strengths` rules how far the map moves",
    "max_grad_norm": "no gradient is clipped on the way to the optimum",
    "show_progress_bar": "`verbose` shows the progress bars",
    "output_path": "`model_output_path` is the folder",
    "model_cls": "the folder says which kind of adapter it holds",
}


class ObsoleteOptions(TypedDict, total=False):
    """Those that are taken as keywords only."""

    steps_per_epoch: Any
    warmup_steps: Any
    optimizer_class: Any
    optimizer_params: Any
    max_grad_norm: Any
    show_progress_bar: Any
    output_path: Any
    model_cls: Any


def without_obsolete(options: Mapping[str, Any], *, stacklevel: int) -> dict[str, Any]:
    """Return the options that still have a meaning; one warning names the others.

    An option stands in `options` only if it was given.
    """
    obsolete = [name for name in options if name in REPLACEMENTS]
    if obsolete:
        reasons = "; ".join(f"{name}: {REPLACEMENTS[name]}" for name in obsolete)
        warnings.warn(
            f"these parameters have no effect any more: {reasons}",
            FutureWarning,
            stacklevel=stacklevel + 1,
        )
    return {name: value for name, value in options.items() if name not in obsolete}
