"""A two-layer BERT with random weights, and a toy data set with question-specific words."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from query_adapters.data.dataset import RetrievalDataset

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
N_MEANINGS, N_FILLERS = 12, 6
SAID = [f"said{n}" for n in range(N_MEANINGS)]  # the word for each meaning in documents
ASKED = [f"asked{n}" for n in range(N_MEANINGS)]  # the word for it in questions
FILLERS = [f"filler{n}" for n in range(N_FILLERS)]
LENGTH = 32


def save_tiny_model(
    folder: Path, *, seed: int = 0, normalises: bool = True, prompts: dict[str, str] | None = None
) -> str:
    """Write the model to the folder and return the path."""
    backbone = folder / "backbone"
    words = (*SPECIAL, *SAID, *ASKED, *FILLERS)
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=LENGTH,
    ).save_pretrained(str(backbone))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
        initializer_range=0.05,  # with the usual 0.02, all texts get nearly the same vector
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(str(backbone))
    modules = [Transformer(str(backbone)), Pooling(32, "mean")]
    model = SentenceTransformer(
        modules=[*modules, Normalize()] if normalises else modules,
        prompts=prompts,
        device="cpu",
    )
    model.save_pretrained(str(folder), create_model_card=False)
    return str(folder)


def toy_dataset(*, n_documents: int = 150, seed: int = 0) -> RetrievalDataset:
    """Return a data set of documents with three meanings each and two questions per document."""
    rng = np.random.default_rng(seed)
    corpus: dict[str, str] = {}
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, float]] = {}
    seen: set[tuple[int, ...]] = set()
    while len(corpus) < n_documents:
        meanings = tuple(sorted(rng.choice(N_MEANINGS, 3, replace=False).tolist()))
        if meanings in seen:
            continue
        seen.add(meanings)
        document = f"d{len(corpus)}"
        corpus[document] = " ".join([*(SAID[m] for m in meanings), str(rng.choice(FILLERS))])
        for turn in range(2):
            asked = [ASKED[m] for m in rng.permutation(meanings)]
            filler = FILLERS[(len(corpus) + 3 * turn) % N_FILLERS]
            queries[f"{document}q{turn}"] = " ".join([*asked, filler])
            qrels[f"{document}q{turn}"] = {document: 1.0}
    return RetrievalDataset(queries, corpus, qrels)


LEARNS: dict[str, Any] = {
    "learning_rate": 3e-3,
    "epochs": 5,
    "batch_size": 16,
    "evaluation_steps": 25,
}
"""Settings with which the tiny model learns the toy data set in seconds."""
