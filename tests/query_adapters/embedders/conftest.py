"""A sentence-transformers model of six words, made on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

WORDS = ("[UNK]", "query", "how", "far", "harbour", "mile")


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a model that averages its words' vectors; keywords change what it is."""

    def make(name: str = "model", *, scale: float = 1.0, prompt: str = "query ") -> Path:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace

        vocabulary = {word: row for row, word in enumerate(WORDS)}
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=WORDS[0]))
        tokenizer.pre_tokenizer = Whitespace()
        weights = scale * np.eye(len(WORDS), dtype=np.float32)
        model = SentenceTransformer(
            modules=[StaticEmbedding(tokenizer, embedding_weights=weights)],
            prompts={"query": prompt},
            device="cpu",
        )
        model.save(str(tmp_path / name))
        return tmp_path / name

    return make
