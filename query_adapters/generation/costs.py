"""Estimate the cost of a run; a token is taken as four characters."""

from dataclasses import dataclass

from query_adapters.embedders.tokens import CHARACTERS_PER_TOKEN, tokens_in

TOKENS_PER_QUESTION = 25


@dataclass(frozen=True)
class Prices:
    """Prices of a provider per million tokens, in any currency.

    Attributes:
        prompt: Price of tokens in prompts.
        answer: Price of tokens in answers.
    """

    prompt: float
    answer: float

    def __post_init__(self) -> None:
        if not (self.prompt >= 0 and self.answer >= 0):
            raise ValueError(f"prices per million tokens: expected numbers from 0 on, got {self}")

    def of(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Return the price of these numbers of tokens."""
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6


@dataclass(kw_only=True)
class Usage:
    """Tokens and price of a run so far.

    Attributes:
        prices: Prices of the provider; None if unknown.
        n_answers: Number of paid answers.
        prompt_tokens: Estimated.
        answer_tokens: Estimated.
    """

    prices: Prices | None = None
    n_answers: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def add(self, prompt: str, answer: str) -> None:
        """Count one more paid answer."""
        self.n_answers += 1
        self.prompt_tokens += tokens_in(len(prompt))
        self.answer_tokens += tokens_in(len(answer))

    @property
    def cost(self) -> float | None:
        """Estimated total price; None if prices are unknown."""
        if self.prices is None:
            return None
        return self.prices.of(self.prompt_tokens, self.answer_tokens)

    def __str__(self) -> str:
        tokens = f"~{self.prompt_tokens + self.answer_tokens:,} tokens"
        return tokens if self.cost is None else f"{tokens}, ~{self.cost:.4f}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The calls that a run would make, with their cost.

    Attributes:
        model_name: The model.
        n_chunks: All chunks, including repeated texts.
        n_known: Chunks whose answers are in the journal.
        n_calls: Calls to make, one per chunk, without repeated attempts.
        prompt_tokens: Estimated tokens of these calls.
        answer_tokens: Estimated tokens of these calls.
        cost: Estimated price; None if prices are unknown.
    """

    model_name: str
    n_chunks: int
    n_known: int
    n_calls: int
    prompt_tokens: int
    answer_tokens: int
    cost: float | None

    def __str__(self) -> str:
        price = "" if self.cost is None else f", about {self.cost:.4f} at the prices given"
        return (
            f"{self.n_calls:,} calls to {self.model_name} for {self.n_chunks:,} chunks "
            f"({self.n_known:,} answered already): about {self.prompt_tokens:,} prompt tokens and "
            f"{self.answer_tokens:,} answer tokens{price}. Estimated at "
            f"{CHARACTERS_PER_TOKEN} characters a token; chunks asked again come on top."
        )
