"""A LangChain chat model as a `TextGenerator` of the core."""

import json
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence

from query_adapters.providers.failures import unreadable_answers_of
from query_adapters.providers.secrets import remember_secrets_of

SCHEMA = {
    "title": "Questions",
    "description": "Search queries that the passage answers.",
    "type": "object",
    "properties": {"questions": {"type": "array", "items": {"type": "string"}}},
    "required": ["questions"],
    "additionalProperties": False,
}


class LangChainTextGenerator:
    """A `TextGenerator` over a LangChain chat model.

    Args:
        llm: The model.
        structured: Whether a model that supports structured output is asked for it; other models
            answer in plain text.

    Raises:
        TypeError: If it is not a chat model.
    """

    def __init__(self, llm: BaseChatModel, *, structured: bool = True) -> None:
        if not isinstance(llm.bound if isinstance(llm, RunnableBinding) else llm, BaseChatModel):
            raise TypeError(
                "expected a LangChain chat model (langchain_core BaseChatModel), got "
                f"{type(llm).__name__}; make one, such as ChatOpenAI(model='gpt-4o-mini')"
            )
        self.llm = llm
        remember_secrets_of(llm)
        self._asked: Runnable[Any, Any] = (_structured(llm) if structured else None) or llm

    @property
    def model_name(self) -> str:
        """The model's name, as its class reports it."""
        name = getattr(self.llm, "model_name", None) or getattr(self.llm, "model", None)
        return f"{type(self.llm).__name__}/{name or self.llm._llm_type}"

    async def complete(self, prompt: str) -> str:
        """Return the model's answer, or the arguments of its function call.

        Raises:
            ProviderError: If the model's class cannot read the provider's answer.
        """
        with unreadable_answers_of(self.model_name):
            message = await self._asked.ainvoke([HumanMessage(prompt)])
            if isinstance(message, AIMessage) and message.tool_calls:
                return json.dumps(message.tool_calls[0]["args"])
            return str(message.text)


def _structured(llm: BaseChatModel) -> Runnable[Any, Any] | None:
    """The model bound to the schema, without the parser, so that answers are journaled unparsed."""
    try:
        runnable = llm.with_structured_output(SCHEMA)
    except (NotImplementedError, ValueError):
        return None
    return runnable.first if isinstance(runnable, RunnableSequence) else None
