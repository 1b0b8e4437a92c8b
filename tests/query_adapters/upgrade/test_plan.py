"""Tests of the cost that is stated before an upgrade, and of the check of a model's roles."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from query_adapters.embedders.known_models import AS_OF, price_of
from query_adapters.embedders.roles import missing_prefix
from query_adapters.upgrade.asking import QuestionCost
from query_adapters.upgrade.plan import Prices, UpgradePlan

TEXTS = ["a" * 40, "b" * 20]


def named(make_embedder: Callable[..., Any], name: str) -> Any:
    """Return a model of this name, whose roles are the same."""
    base: Any = make_embedder
    return type("Named", (base,), {"model_name": name})()


def plan(price: float | None = None) -> UpgradePlan:
    return UpgradePlan.of("new", TEXTS, ["c" * 8], n_stored=1000, price_per_million=price)


def test_tokens_are_a_quarter_of_the_characters() -> None:
    assert plan().tokens == (40 + 20 + 8) / 4
    assert plan().index_tokens == 1000 * 30 / 4


def test_a_price_is_that_of_a_million_tokens() -> None:
    assert plan(2.0).cost == pytest.approx(17 * 2e-6)
    assert plan(2.0).index_cost == pytest.approx(7500 * 2e-6)
    assert "about 0.0150 at the price given" in str(plan(2.0))
    assert plan().cost is None
    assert "price" not in str(plan())


def test_without_a_price_the_list_price_counts_and_is_named() -> None:
    listed = UpgradePlan.of(
        "text-embedding-3-large", TEXTS, [], n_stored=10, price_per_million=None
    )
    assert listed.cost == pytest.approx(15 * 0.13e-6)
    assert f"at the list price of {AS_OF}, in US dollars" in str(listed)
    given = UpgradePlan.of("text-embedding-3-large", TEXTS, [], n_stored=10, price_per_million=0.0)
    assert given.cost == 0
    assert "at the price given" in str(given)
    assert price_of("openai/text-embedding-3-small") == price_of("text-embedding-3-small") == 0.02


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_negative_price_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="price_per_million_tokens"):
        Prices(**{name: -1.0})


def test_a_thousand_questions_cost_their_tokens(make_embedder: Callable[..., Any]) -> None:
    model = named(make_embedder, "small")
    cost = QuestionCost.of(model, ["a" * 40, "b" * 80], 2.0)
    assert cost.per_thousand == pytest.approx(1000 * 15 * 2e-6)
    assert cost.seconds > 0
    assert str(cost).startswith("small ")
    assert QuestionCost.of(model, ["a"], None).per_thousand is None


@pytest.mark.parametrize(
    "name",
    ["intfloat/multilingual-e5-small", "BAAI/bge-small-en-v1.5", "nomic-embed-text-v1.5"],
)
def test_a_model_whose_name_asks_for_a_prefix_is_noticed(
    name: str, make_embedder: Callable[..., Any]
) -> None:
    model = named(make_embedder, name)
    equal = model.embed_queries(TEXTS)
    assert "need a prefix" in str(missing_prefix(model, TEXTS, equal))
    assert missing_prefix(model, TEXTS, np.flip(equal, axis=1)) is None


def test_another_model_may_have_one_role(make_embedder: Callable[..., Any]) -> None:
    for name in ("all-MiniLM-L6-v2", "text-embedding-3-small", "base5"):
        model = named(make_embedder, name)
        assert missing_prefix(model, TEXTS, model.embed_queries(TEXTS)) is None
