"""Fuzzing of every reader: whatever the bytes, it succeeds or raises an error of this package."""
