"""Low-rank updates (LoRA): add them for the training, merge them into the weights after it."""

import torch
from sentence_transformers import SentenceTransformer

from query_adapters._extras import require_extra
from query_adapters.model_tuning.models import copy_of

DROPOUT = 0.05
ADAPTER = "default"


def add_lora(model: SentenceTransformer, rank: int) -> None:
    """Add low-rank updates of this rank to the model's attention layers; all else is frozen.

    Raises:
        MissingExtraError: If the extra `lora` is not installed.
    """
    require_extra("lora")
    from peft import LoraConfig

    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=DROPOUT)
    model.add_adapter(config, ADAPTER)


def folded(base: SentenceTransformer, trained: SentenceTransformer) -> SentenceTransformer:
    """Return the base with the trained model's updates merged into its weights.

    Source: Hu et al., LoRA (2022), 4.1.
    """
    from peft.tuners.lora import LoraLayer

    model = copy_of(base)
    weights = model.state_dict()
    with torch.no_grad():
        for name, layer in trained.named_modules():
            if isinstance(layer, LoraLayer):
                update: torch.Tensor = layer.get_delta_weight(ADAPTER)  # type: ignore[attr-defined]
                weight = weights[f"{name}.weight"]
                weight += update.to(device=weight.device, dtype=weight.dtype)
    return model
