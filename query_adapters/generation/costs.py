"""What a run will cost and what it has cost: tokens are estimated, at four characters each."""

from dataclasses import dataclass

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_QUESTION = 25


def tokens_in(n_characters: int) -> int:
    """Return about how many tokens so many characters are; for English, off by a quarter."""
    return -(-n_characters // CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Prices:
    """What a provider charges, in any currency, per million tokens.

    Attributes:
        prompt: For what the model reads.
        answer: For what it writes.
    """

    prompt: float
    answer: float

    def __post_init__(self) -> None:
        if not (self.prompt >= 0 and self.answer >= 0):
            raise ValueError(f"prices per million tokens: expected numbers from 0 on, got {self}")

    def of(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Return the price of so many tokens."""
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6


@dataclass(kw_only=True)
class Usage:
    """What a run has paid for so far.

    Attributes:
        prices: What the provider charges, None if unknown.
        n_answers: Answers paid for.
        prompt_tokens: Estimated.
        answer_tokens: Estimated.
    """

    prices: Prices | None = None
    n_answers: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def add(self, prompt: str, answer: str) -> None:
        """Count one more answer that was paid for."""
        self.n_answers += 1
        self.prompt_tokens += tokens_in(len(prompt))
        self.answer_tokens += tokens_in(len(answer))

    @property
    def cost(self) -> float | None:
        """Estimated price of it all, None if prices are unknown."""
        if self.prices is None:
            return None
        return self.prices.of(self.prompt_tokens, self.answer_tokens)

    def __str__(self) -> str:
        tokens = f"~{self.prompt_tokens + self.answer_tokens:,} tokens"
        return tokens if self.cost is None else f"{tokens}, ~{self.cost:.4f}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would ask for; nothing has been asked yet.

    Attributes:
        model_name: The model.
        n_chunks: Chunks in all, repeated texts included.
        n_known: Chunks whose answers are in the journal already.
        n_calls: Calls to come, one a chunk; chunks asked again come on top.
        prompt_tokens: Estimated, of these calls.
        answer_tokens: Estimated, of these calls.
        cost: Estimated price, None if prices are unknown.
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
