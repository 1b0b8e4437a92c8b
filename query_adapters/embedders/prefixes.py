"""Prefixes that models expect before queries and documents, by the model's name.

Many models are trained on texts that begin with their role, such as "query: " and "passage: ".
Without it, or with that of another role, they still return vectors, but rank worse.
"""

import re
from dataclasses import dataclass

from query_adapters.embedders.identity import own_name

TASK = "Given a web search query, retrieve relevant passages that answer the query"
FOR_SEARCH = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, kw_only=True)
class Prefixes:
    """What stands before a text that a model embeds, by role.

    Attributes:
        query: Before queries.
        document: Before documents.
    """

    query: str = ""
    document: str = ""


@dataclass(frozen=True)
class Preset:
    """The prefixes of a family of models.

    Attributes:
        family: Its name.
        pattern: Regular expression of its models' names, in lower case.
        prefixes: What the models expect, as their model cards state it.
    """

    family: str
    pattern: str
    prefixes: Prefixes


PRESETS = (
    Preset(
        "E5 with instructions",
        r"e5-.*instruct",
        Prefixes(query=f"Instruct: {TASK}\nQuery: "),
    ),
    Preset("E5", r"(^|[-_])e5-", Prefixes(query="query: ", document="passage: ")),
    Preset("BGE, English", r"bge-(small|base|large)-en", Prefixes(query=FOR_SEARCH)),
    Preset(
        "BGE, Chinese",
        r"bge-(small|base|large)-zh",
        Prefixes(query="为这个句子生成表示以用于检索相关文章："),
    ),
    Preset("GTE Qwen2", r"gte-qwen2.*instruct", Prefixes(query=f"Instruct: {TASK}\nQuery: ")),
    Preset("Qwen3", r"qwen3-embedding", Prefixes(query=f"Instruct: {TASK}\nQuery:")),
    Preset(
        "Nomic",
        r"nomic-embed-text|modernbert-embed",
        Prefixes(query="search_query: ", document="search_document: "),
    ),
    Preset(
        "Jina 3",
        r"jina-embeddings-v3",
        Prefixes(
            query="Represent the query for retrieving evidence documents: ",
            document="Represent the document for retrieval: ",
        ),
    ),
    Preset("Jina 4", r"jina-embeddings-v4", Prefixes(query="Query: ", document="Passage: ")),
    Preset(
        "Instructor",
        r"instructor-",
        Prefixes(
            query="Represent the question for retrieving supporting documents: ",
            document="Represent the document for retrieval: ",
        ),
    ),
    Preset("Snowflake Arctic 2", r"arctic-embed-?(\w+-)?(v?2)", Prefixes(query="query: ")),
    Preset("Snowflake Arctic", r"arctic-embed", Prefixes(query=FOR_SEARCH)),
    Preset("mxbai, German", r"mxbai-embed-de", Prefixes(query="query: ", document="passage: ")),
    Preset("mxbai", r"mxbai-embed", Prefixes(query=FOR_SEARCH)),
    Preset("UAE", r"uae-large", Prefixes(query=FOR_SEARCH)),
    Preset(
        "EmbeddingGemma and Gemini 2",
        r"embedding-?gemma|gemini-embedding-2",
        Prefixes(query="task: search result | query: ", document="title: none | text: "),
    ),
)
"""Families whose models expect prefixes; of several that match a name, the first one counts."""


def preset_of(model_name: str) -> Preset | None:
    """Return the preset of the family that a model's name belongs to; None for no such family.

    Args:
        model_name: An id on the Hugging Face Hub, a server's name for the model, or a folder.

    Example:
        >>> preset_of("intfloat/multilingual-e5-small").prefixes
        Prefixes(query='query: ', document='passage: ')
    """
    name = own_name(model_name).rpartition("/")[2].casefold()
    return next((preset for preset in PRESETS if re.search(preset.pattern, name)), None)
