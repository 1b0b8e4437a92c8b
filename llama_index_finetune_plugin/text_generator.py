"""A LlamaIndex language model as a `TextGenerator` of the core."""

import json

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.llms import LLM, ChatMessage, ChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.program.function_program import get_function_tool

from query_adapters.providers.failures import unreadable_answers_of
from query_adapters.providers.secrets import remember_secrets_of


class Questions(BaseModel):
    """Search queries that the passage answers."""

    questions: list[str] = Field(description="The queries, each complete in itself")


class LlamaIndexTextGenerator:
    """A `TextGenerator` over a LlamaIndex language model.

    Args:
        llm: The model.
        structured: Whether a model that can call functions returns its questions as arguments of a
            function call; other models answer in plain text.

    Raises:
        TypeError: If it is not a LlamaIndex language model.
    """

    def __init__(self, llm: LLM, *, structured: bool = True) -> None:
        if not isinstance(llm, BaseLLM):
            raise TypeError(
                f"expected a LlamaIndex language model (LLM), got {type(llm).__name__}; make one, "
                "such as OpenAI(model='gpt-4o-mini')"
            )
        self.llm = llm
        remember_secrets_of(llm)
        self._tool = get_function_tool(Questions) if structured and calls_functions(llm) else None

    @property
    def model_name(self) -> str:
        """The model's name, as LlamaIndex knows it."""
        return f"{self.llm.class_name()}/{self.llm.metadata.model_name}"

    async def complete(self, prompt: str) -> str:
        """Return the model's answer, or the arguments of its function call, unparsed.

        Raises:
            ProviderError: If the model's class cannot read the provider's answer.
        """
        with unreadable_answers_of(self.model_name):
            return await self._complete(prompt)

    async def _complete(self, prompt: str) -> str:
        if self._tool is not None and isinstance(self.llm, FunctionCallingLLM):
            response = await self.llm.achat_with_tools(
                [self._tool], user_msg=prompt, tool_required=True
            )
            return _arguments(self.llm, response) or response.message.content or ""
        if self.llm.metadata.is_chat_model:
            chat = await self.llm.achat([ChatMessage(role="user", content=prompt)])
            return chat.message.content or ""
        return (await self.llm.acomplete(prompt)).text


def calls_functions(llm: LLM) -> bool:
    """Return whether the model supports function calls."""
    return isinstance(llm, FunctionCallingLLM) and llm.metadata.is_function_calling_model


def _arguments(llm: FunctionCallingLLM, response: ChatResponse) -> str:
    """Return the arguments of the first function call as text; incomplete JSON is parsed later."""
    for block in response.message.blocks:
        arguments = getattr(block, "tool_kwargs", None)
        if arguments:
            return arguments if isinstance(arguments, str) else json.dumps(arguments)
    calls = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    return json.dumps(calls[0].tool_kwargs) if calls else ""
