"""Generate questions for chunks with a language model (extra: generate)."""

from query_adapters._extras import require_extra

require_extra("generate")

from query_adapters.generation.calls import CallOptions
from query_adapters.generation.costs import Plan, Prices
from query_adapters.generation.generator import QuestionGenerator
from query_adapters.generation.parsing import parse_questions
from query_adapters.generation.prompts import DEFAULT_PROMPT, STYLES
from query_adapters.generation.protocol import TextGenerator
from query_adapters.generation.providers import (
    GENERATORS,
    CohereGenerator,
    OpenAIGenerator,
    resolve_generator,
)
from query_adapters.generation.refinement import Checks
from query_adapters.generation.result import GeneratedQuestions, QualitySummary

__all__ = [
    "DEFAULT_PROMPT",
    "GENERATORS",
    "STYLES",
    "CallOptions",
    "Checks",
    "CohereGenerator",
    "GeneratedQuestions",
    "OpenAIGenerator",
    "Plan",
    "Prices",
    "QualitySummary",
    "QuestionGenerator",
    "TextGenerator",
    "parse_questions",
    "resolve_generator",
]
