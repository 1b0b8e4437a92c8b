"""Readers of test sets that other tools write, one module per tool."""
