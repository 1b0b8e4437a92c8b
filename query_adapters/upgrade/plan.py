"""What an upgrade embeds, and what embedding the whole index again would cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from query_adapters.embedders.known_models import AS_OF, price_of
from query_adapters.embedders.tokens import CHARACTERS_PER_TOKEN, tokens_in

MIN_TEXTS = 40  # with fewer, chance and a good bridge cannot be told apart


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices of a million tokens, in any currency; None if unknown.

    Attributes:
        new: Of the new model.
        old: Of the old model.

    Raises:
        ValueError: If a price is below 0.
    """

    new: float | None = None
    old: float | None = None

    def __post_init__(self) -> None:
        for name, price in (("", self.new), ("old_", self.old)):
            if price is not None and not price >= 0:
                raise ValueError(
                    f"{name}price_per_million_tokens: expected a number from 0, got {price}"
                )


@dataclass(frozen=True, kw_only=True)
class UpgradePlan:
    """Texts to embed with the new model, with their cost; a token is taken as four characters.

    Attributes:
        model_name: The new model.
        n_texts: Stored texts, sampled or labelled.
        n_questions: Labelled questions.
        tokens: Estimated tokens of both.
        n_stored: Documents of the index.
        index_tokens: Estimated tokens of the whole index, from the sampled texts.
        price_per_million: Price of a million tokens, in any currency; None if unknown.
        is_list_price: Whether it is the model's list price in US dollars, because none was given.
    """

    model_name: str
    n_texts: int
    n_questions: int
    tokens: int
    n_stored: int
    index_tokens: int
    price_per_million: float | None = None
    is_list_price: bool = False

    @classmethod
    def of(
        cls,
        model_name: str,
        texts: Sequence[str],
        questions: Sequence[str],
        *,
        n_stored: int,
        price_per_million: float | None,
    ) -> "UpgradePlan":
        """Return the plan for these texts and labelled questions.

        Without a price, the model's list price counts, if it is known.
        """
        known = price_of(model_name)
        n_characters = sum(map(len, texts))
        return cls(
            model_name=model_name,
            n_texts=len(texts),
            n_questions=len(questions),
            tokens=tokens_in(n_characters + sum(map(len, questions))),
            n_stored=n_stored,
            index_tokens=tokens_in(round(n_characters / max(1, len(texts)) * n_stored)),
            price_per_million=known if price_per_million is None else price_per_million,
            is_list_price=price_per_million is None and known is not None,
        )

    @property
    def cost(self) -> float | None:
        """Estimated price of the upgrade; None without a price."""
        return self._price(self.tokens)

    @property
    def index_cost(self) -> float | None:
        """Estimated price of embedding the whole index again; None without a price."""
        return self._price(self.index_tokens)

    def _price(self, tokens: int) -> float | None:
        return None if self.price_per_million is None else tokens * self.price_per_million / 1e6

    @property
    def index_text(self) -> str:
        """The cost of embedding the whole index again, in words."""
        cost = self._at(self.index_cost)
        return f"{self.n_stored:,} texts, about {self.index_tokens:,} tokens{cost}"

    def __str__(self) -> str:
        questions = f" and {self.n_questions:,} questions" if self.n_questions else ""
        return (
            f"{self.model_name} embeds {self.n_texts:,} stored texts{questions}: about "
            f"{self.tokens:,} tokens{self._at(self.cost)}. The whole index again: "
            f"{self.index_text}. Estimated at {CHARACTERS_PER_TOKEN} characters a token."
        )

    def _at(self, cost: float | None) -> str:
        if cost is None:
            return ""
        where = f"list price of {AS_OF}, in US dollars" if self.is_list_price else "price given"
        return f", about {cost:,.4f} at the {where}"
