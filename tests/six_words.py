"""A sentence-transformers model of six words, made on the spot."""

from pathlib import Path

import numpy as np

WORDS = ("[UNK]", "query", "how", "far", "harbour", "mile")


def write_six_words(
    folder: Path, *, scale: float = 1.0, prompt: str = "query ", dim: int = len(WORDS)
) -> Path:
    """Return the folder of a model that averages its words' vectors, of which each has its own.

    Args:
        folder: Where to write it.
        scale: Length of a word's vector.
        prompt: What is put before questions.
        dim: Length of the vectors, at least six.
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
