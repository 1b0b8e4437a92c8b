"""Calls of model providers: limits, retries, checked answers, and messages without secrets."""
