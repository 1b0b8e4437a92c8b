"""Parameters of LlamaIndex's old engine that have no meaning any more, and what replaced them."""

import warnings
from collections.abc import Mapping
from typing import Any

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


def warn_of_obsolete(options: Mapping[str, Any], *, stacklevel: int) -> None:
    """Return nothing; warn once, naming each obsolete option that was given and its replacement.

    Raises:
        TypeError: If an option was never one.
    """
    unknown = sorted(options.keys() - REPLACEMENTS.keys())
    if unknown:
        raise TypeError(f"unexpected arguments: {', '.join(unknown)}; expected none of that name")
    if options:
        reasons = "; ".join(f"{name}: {REPLACEMENTS[name]}" for name in options)
        warnings.warn(
            f"these parameters have no effect any more: {reasons}",
            FutureWarning,
            stacklevel=stacklevel + 1,
        )
