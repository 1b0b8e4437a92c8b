"""Tests of accepted adapter arguments, their checks, and the map of a single query vector."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.serving import (
    adapted,
    adapted_identity,
    check_fits,
    check_probe,
    chosen,
    from_arrays,
    probe_of,
    read,
)
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.errors import AdapterMismatchError, DimensionMismatchError

TURN = LinearAdapter([[0.0, 1.0], [-1.0, 0.0]])
SAVED = SavedAdapter(adapter=TURN, record=AdapterRecord(base_model="org/model"))


class Model:
    identity = "model#1"


def test_of_adapter_and_path_the_one_that_was_given_is_chosen() -> None:
    assert chosen(TURN, None) is TURN
    assert chosen(None, None) is None
    assert chosen(..., "folder") == "folder"
    for adapter, path in ((..., None), (TURN, "folder"), (None, "folder")):
        with pytest.raises(TypeError, match="expected adapter or adapter_path"):
            chosen(adapter, path)


def test_arrays_become_a_linear_adapter() -> None:
    given = from_arrays(..., TURN.weight, [1.0, 0.0])
    assert isinstance(given, LinearAdapter)
    assert given.bias is not None
    assert given.bias.tolist() == [1.0, 0.0]
    assert from_arrays(TURN, None, None) is TURN
    with pytest.raises(TypeError, match="got both"):
        from_arrays(None, TURN.weight, None)
    with pytest.raises(TypeError, match="weight to go with the bias"):
        from_arrays(..., None, [1.0, 0.0])


def test_an_adapter_is_read_from_every_form(tmp_path: Path) -> None:
    folder = save_adapter(SAVED, tmp_path / "adapter")
    for form in (TURN, SAVED, folder, str(folder)):
        saved = read(form)
        assert saved is not None
        assert saved.adapter.fingerprint == TURN.fingerprint
    assert read(None) is None
    with pytest.raises(TypeError, match="got list"):
        read([])  # type: ignore[arg-type]


def test_name_and_dimension_are_checked_where_they_are_told() -> None:
    check_fits(SAVED, model_name="elsewhere/MODEL", dim=2)
    check_fits(SAVED, model_name=None, dim=None)
    with pytest.raises(AdapterMismatchError, match=r"'org/model'.*'other'"):
        check_fits(SAVED, model_name="other", dim=None)
    with pytest.raises(DimensionMismatchError, match="expected 2 dimensions, got 3"):
        check_fits(SAVED, model_name=None, dim=3)


def test_a_probe_is_its_question_and_vector() -> None:
    vector = np.array([1.0, 0.0], dtype=np.float32)
    record = AdapterRecord(probe_text="Who?")
    text, found = probe_of(SavedAdapter(adapter=TURN, record=record, probe_vector=vector))
    assert (text, found is vector) == ("Who?", True)
    for without in (None, SAVED, SavedAdapter(adapter=TURN, record=record)):
        with pytest.raises(AdapterMismatchError, match="got none"):
            probe_of(without)


def test_a_probes_vector_may_differ_in_length_and_rounding_only() -> None:
    expected = np.array([3.0, 4.0], dtype=np.float32)
    check_probe([0.6001, 0.8], expected, model_name="m")
    for other in ([0.8, 0.6], [-3.0, -4.0], [0.0, 0.0], [float("nan"), 1.0]):
        with pytest.raises(AdapterMismatchError, match=r"m: .*got cosine"):
            check_probe(other, expected, model_name="m")
    with pytest.raises(DimensionMismatchError, match=r"of m: expected 2 dimensions, got 3"):
        check_probe([1.0, 0.0, 0.0], expected, model_name="m")


def test_a_mapped_vector_is_a_list_of_python_floats() -> None:
    found = adapted(TURN, [3.0, 4.0])
    assert found == [4.0, -3.0]
    assert {type(number) for number in found} == {float}


@pytest.mark.parametrize("unchanging", [None, LinearAdapter.identity(2)])
def test_a_vector_that_nothing_changes_is_the_very_one(unchanging: Any) -> None:
    vector = [0.1, 0.2]
    assert adapted(unchanging, vector) is vector
    assert adapted_identity(Model(), unchanging) == "model#1"


def test_an_adapter_that_changes_nothing_still_takes_vectors_of_its_length_only() -> None:
    with pytest.raises(DimensionMismatchError, match="expected 3 dimensions, got 2"):
        adapted(LinearAdapter.identity(3), [0.1, 0.2])


def test_numbers_beyond_float32_become_infinite_and_come_back() -> None:
    assert adapted(TURN, [1e300, 1.0]) == [float("inf"), 1.0]


def test_an_adapted_identity_tells_the_adapter() -> None:
    assert adapted_identity(Model(), TURN) == f"model#1+{TURN.fingerprint}"
