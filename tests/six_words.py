"""A sentence-transformers model with a vocabulary of six words."""

from pathlib import Path

import numpy as np

WORDS = ("[UNK]", "query", "how", "far", "harbour", "mile")


def write_six_words(
    folder: Path, *, scale: float = 1.0, prompt: str = "query ", dim: int = len(WORDS)
) -> Path:
    """Write a model that averages orthogonal word vectors, and return its folder.

    Args:
        folder: Folder to write to.
        scale: Norm of each word vector.
        prompt: Prompt of the query role.
        dim: Dimension of the vectors, at least six.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {word: row for row, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=WORDS[0]))
    tokenizer.pre_tokenizer = Whitespace()
    weights = scale * np.eye(len(WORDS), dim, dtype=np.float32)
    words = StaticEmbedding(tokenizer, embedding_weights=weights)
    model = SentenceTransformer(modules=[words], prompts={"query": prompt}, device="cpu")
    model.save(str(folder))
    return folder
