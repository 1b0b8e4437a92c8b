"""Signals, forks, threads and locks: what a process shares with others, and how it ends."""
