"""Test that documented arguments exist, including those of an unpacked TypedDict.

The build of the site does not check unpacked options.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, TypedDict, Unpack, get_args

import pytest

FOLDERS = (
    "adapters", "data", "data.traces", "embedders", "evaluation", "feedback", "finetuning",
    "generation", "model_tuning", "stores", "training",
)  # fmt: skip
PACKAGES = (
    "query_adapters",
    *(f"query_adapters.{folder}" for folder in FOLDERS),
    "llama_index_finetune_plugin",
    "langchain_adapter",
)
SECTION = re.compile(r"^Args:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}\*{0,2}(\w+): ", re.MULTILINE)


def documented(docstring: str) -> set[str]:
    """Return the argument names in the "Args" section."""
    section = SECTION.search(docstring)
    return set(ARGUMENT.findall(section[1])) if section else set()


def accepted(function: Callable[..., Any]) -> set[str]:
    """Return the parameter names, including the keys of an unpacked TypedDict."""
    found: set[str] = set()
    for parameter in inspect.signature(function).parameters.values():
        found.add(parameter.name)
        for options in get_args(parameter.annotation):
            if parameter.kind is parameter.VAR_KEYWORD:
                found |= options.__optional_keys__ | options.__required_keys__
    return found


def callables() -> Iterator[Any]:
    """Yield the name, docstring and function of every public function, class and method."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            public = getattr(module, name)
            if inspect.isfunction(public):
                yield pytest.param(public.__doc__, public, id=f"{package}.{name}")
            elif inspect.isclass(public):
                yield pytest.param(public.__doc__, public.__init__, id=f"{package}.{name}")
                for key, method in vars(public).items():
                    if key[0] != "_" and inspect.isfunction(method):
                        yield pytest.param(method.__doc__, method, id=f"{package}.{name}.{key}")


@pytest.mark.parametrize(("docstring", "function"), list(callables()))
def test_every_documented_argument_exists(
    docstring: str | None, function: Callable[..., Any]
) -> None:
    assert documented(inspect.cleandoc(docstring or "")) - accepted(function) == set()


class Options(TypedDict, total=False):
    depth: int


def documented_function(name: str, **options: Unpack[Options]) -> None:
    """Do nothing.

    Args:
        name: A name.
            note: not an argument.
        depth: An option.
        width: Neither.

    Raises:
        ValueError: Never.
    """


def test_the_check_finds_an_argument_that_does_not_exist() -> None:
    found = documented(inspect.getdoc(documented_function) or "")
    assert found == {"name", "depth", "width"}
    assert found - accepted(documented_function) == {"width"}
