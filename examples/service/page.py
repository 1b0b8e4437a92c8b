"""The page that shows what happened: each tenant's days, decisions and versions."""

from collections.abc import Sequence

from query_adapters.deployment import AdapterRegistry
from examples.service.nightly import Night

def page(registry: AdapterRegistry, nights: Sequence[Night]) -> str:
    return "<!doctype html><title>x</title>"
