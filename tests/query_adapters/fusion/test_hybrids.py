"""Tests of the default hybrids: values by hand; tests/integrations holds them to the frameworks."""

from query_adapters.fusion.hybrids import reciprocal_rank_fusion, relative_score_fusion


def test_ranks_add_up_as_their_reciprocals() -> None:
    # a: 1/61 + 1/63 = 0.03227, b: 1/62 + 1/61 = 0.03252, c: 1/62, d: 1/63
    assert reciprocal_rank_fusion([["a", "b", "d"], ["b", "c", "a"]]) == ["b", "a", "c", "d"]


def test_the_constant_decides_between_one_first_rank_and_two_later_ones() -> None:
    rankings = [["a", "b", "x"], ["y", "z", "b"]]
    assert reciprocal_rank_fusion(rankings)[0] == "b"  # 1/62 + 1/63 > 1/61
    assert reciprocal_rank_fusion(rankings, constant=0)[0] == "a"  # 1/2 + 1/3 < 1


def test_scores_are_scaled_to_the_range_of_their_retriever() -> None:
    # a: (1 + 0) / 2, b: (0.5 + 1) / 2, c: 0, d: 0.25 / 2
    found = relative_score_fusion([{"a": 0.9, "b": 0.8, "c": 0.7}, {"b": 12, "d": 6, "a": 4}])
    assert found == ["b", "a", "d", "c"]


def test_equal_scores_count_in_full_if_they_are_above_0() -> None:
    # a: 1/2, b: 1/2 of the first alone; c: 0 as the lowest of the second, d: 1/2
    found = relative_score_fusion([{"a": 3.0, "b": 3.0}, {"d": 2.0, "c": 1.0}])
    assert found == ["a", "b", "d", "c"]
    assert relative_score_fusion([{"a": 0.0}, {"b": 2.0}]) == ["b", "a"]


def test_equal_sums_keep_the_order_of_the_first_retriever() -> None:
    assert reciprocal_rank_fusion([["a", "b"], ["b", "a"]]) == ["a", "b"]
    assert relative_score_fusion([{"b": 1.0, "a": 0.0}, {"a": 1.0, "b": 0.0}]) == ["b", "a"]


def test_a_retriever_that_finds_nothing_leaves_the_order_of_the_other() -> None:
    assert reciprocal_rank_fusion([["b", "a"], []]) == ["b", "a"]
    assert relative_score_fusion([{}, {"b": 2.0, "a": 1.0}]) == ["b", "a"]
    assert relative_score_fusion([{}, {}]) == []
