"""Test that the adapter engine accepts the arguments of LlamaIndex's old engine."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode

from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine, LinearAdapterEmbedding
from query_adapters.adapters import LinearAdapter
from tests.integrations.llama_index import LLAMA_INDEX
from tests.integrations.rotation import DIM, DOCUMENTS, OTHERS, make_dataset, make_planted

TRAIN, OTHER = (make_dataset(LLAMA_INDEX, corpus) for corpus in (DOCUMENTS, OTHERS))


@pytest.fixture
def planted() -> Any:
    return make_planted(LLAMA_INDEX)


def test_one_warning_names_each_obsolete_parameter_with_its_replacement(
    planted: Any, tmp_path: Path
) -> None:
    with pytest.warns(FutureWarning) as caught:
        EmbeddingAdapterFinetuneEngine(
            TRAIN, planted, 10, 4, model_output_path=tmp_path, warmup_steps=5
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for name in ("batch_size", "epochs", "warmup_steps", "strengths"):
        assert name in str(caught[0].message)


@pytest.mark.slow
def test_old_parameters_with_a_meaning_keep_it(planted: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine = EmbeddingAdapterFinetuneEngine(
            TRAIN, planted, dim=DIM, model_output_path=str(tmp_path), verbose=True, bias=False,
            memory=False,
        )  # fmt: skip
        engine.finetune()
    adapter = engine.result.training.adapter
    assert isinstance(adapter, LinearAdapter)
    assert adapter.bias is None
    assert engine.get_finetuned_model(embed_batch_size=7).embed_batch_size == 7


def test_a_parameter_that_never_existed_is_refused(planted: Any) -> None:
    with pytest.raises(TypeError, match="unexpected arguments: learning_rate"):
        EmbeddingAdapterFinetuneEngine(TRAIN, planted, learning_rate=1.0)  # type: ignore[call-arg]


@pytest.mark.slow
def test_the_snippet_of_the_old_guide_runs(planted: Any, tmp_path: Path) -> None:
    """Run the lines of LlamaIndex's guide, with only the imports changed."""
    train_dataset, val_dataset, base_embed_model = TRAIN, OTHER, planted
    with pytest.warns(FutureWarning, match="epochs"):
        finetune_engine = EmbeddingAdapterFinetuneEngine(
            train_dataset,
            base_embed_model,
            model_output_path=str(tmp_path / "model_output_test"),
            epochs=4,
            verbose=True,
        )
    finetune_engine.finetune()
    embed_model = finetune_engine.get_finetuned_model()
    again = LinearAdapterEmbedding(base_embed_model, str(tmp_path / "model_output_test"))

    hits = []
    for model in (embed_model, again):
        nodes = [TextNode(id_=id_, text=text) for id_, text in val_dataset.corpus.items()]
        index = VectorStoreIndex(nodes, embed_model=model)
        retriever = index.as_retriever(similarity_top_k=10)
        for query_id, query in val_dataset.queries.items():
            retrieved_ids = [node.node.node_id for node in retriever.retrieve(query)]
            hits.append(val_dataset.relevant_docs[query_id][0] in retrieved_ids)
    assert np.mean(hits) > 0.9
    assert hits[: len(hits) // 2] == hits[len(hits) // 2 :]
