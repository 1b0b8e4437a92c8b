"""Query a model from many threads and tasks while its adapter is replaced: the short version."""

from typing import Any

import pytest

from tests.scripts import load_script


@pytest.fixture(scope="module")
def soak() -> Any:
    return load_script("examples/benchmarks/soak.py")


@pytest.mark.slow
@pytest.mark.parametrize("make", ["llama_index", "langchain"])
def test_no_answer_is_wrong_while_another_process_replaces_the_folder(make: str, soak: Any) -> None:
    found = soak.Soak(getattr(soak, make), queries=2_000, swaps=30).run()
    assert found["queries"] >= 2_000
    assert found["wrong_answers"] == 0
    assert min(found["answers_of_each_adapter"]) > 0
    assert found["saves_by_another_process"] > 1
