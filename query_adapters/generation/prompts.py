"""Build the prompt: a template, a style, and examples of real queries."""

import hashlib
import string
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from query_adapters.errors import InvalidDatasetError
from query_adapters.text.incoming import SURROGATES, is_encodable
from query_adapters.text.shown import quoted

EXAMPLES_SHOWN = 8  # few-shot examples in one prompt
FIELDS = ("context_str", "num_questions_per_chunk")

DEFAULT_PROMPT = """\
This is one passage of a larger collection:

<passage>
{context_str}
</passage>

Write exactly {num_questions_per_chunk} queries that somebody who has never seen this passage \
would type into a search engine, and that this passage answers. Each must differ from the others, \
be clear without the passage at hand, and name what it is about: never say "the passage", "the \
text", "the author" or "this document". Use nothing that the passage does not say.

Answer with the queries alone, one a line: no numbers, no bullets, no introduction, no last word.
"""
"""The prompt by default, with LlamaIndex's names of the two fields."""

STYLES: Mapping[str, str] = MappingProxyType(
    {
        "factual": "Write them as questions after facts: who, what, when, where, how much, why.",
        "how-to": "Write them as somebody with a task would: how to do it, or what to do when "
        "something goes wrong.",
        "keyword": "Write them as keyword searches of two to six words, without a question mark.",
        "paraphrase": "Write them as questions in everyday words: synonyms instead of the "
        "passage's own terms, wherever the meaning allows it.",
        "typos": "Write them as questions typed in haste: small letters, and one or two typing "
        "errors in each.",
    }
)
"""Ways to ask, by name, as the prompt describes them."""

UNMARKED_STYLES = frozenset(
    {"how-to", "keyword", "typos"}
)  # questions of these styles need no question mark


def check_template(template: str) -> None:
    """Check that the template can be filled.

    Raises:
        ValueError: If `{context_str}` is missing, or it has other fields or single braces.
    """
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(template) if field}
    except ValueError as exc:
        raise ValueError(f"prompt template: {exc}; double the braces that are no field") from exc
    if "context_str" not in fields or not fields <= set(FIELDS):
        raise ValueError(
            "prompt template: expected {context_str} and, if wanted, {num_questions_per_chunk}; "
            f"got the fields {sorted(fields)}; double the braces that are no field"
        )


def build_prompt(
    template: str, passage: str, *, n_questions: int, style: str = "", examples: Sequence[str] = ()
) -> str:
    """Return the prompt for one passage; braces in the passage are kept.

    Raises:
        InvalidDatasetError: If UTF-8 cannot hold the passage.
    """
    if not is_encodable(passage):
        raise InvalidDatasetError(
            f"expected chunks without {SURROGATES}, got {quoted(passage)}; correct or drop it"
        )
    parts = [template.format(context_str=passage, num_questions_per_chunk=n_questions)]
    if style:
        parts.append(STYLES[style])
    if examples:
        listed = "\n".join(f"- {example}" for example in examples)
        parts.append(f"Real queries, for their tone and length; do not repeat them:\n{listed}")
    return "\n".join(parts)


def style_for(styles: Sequence[str], passage: str) -> str:
    """Return the style assigned to the passage, independent of other passages."""
    return styles[_number(passage) % len(styles)] if styles else ""


def examples_for(examples: Sequence[str], passage: str) -> tuple[str, ...]:
    """Return the examples assigned to the passage, in an order of its own."""
    order = sorted(examples, key=lambda example: _number(f"{passage}\0{example}"))
    return tuple(order[:EXAMPLES_SHOWN])


def digest(*parts: str) -> str:
    """Return the hash of the parts, 32 hexadecimal digits."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]


def _number(text: str) -> int:
    return int(digest(text), 16)
