"""What is measured in one run."""

from __future__ import annotations

from dataclasses import dataclass

from calls import Call


@dataclass(frozen=True)
class Plan:
    """What is measured. The other servers are slow and steady, and get fewer rounds."""

    engines: list[str]
    calls: list[Call]
    connections: list[int]
    rounds: int
    other_rounds: int
    seconds: float
    longest: float
    runs: int
    cold_starts: int
    other_cold_starts: int
    long_history: bool
    indexes: bool
