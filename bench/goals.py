"""What Ferroflow is to reach on 16 connections: requests a second, or a share of what was measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """At least `number` requests a second, or that share of another measurement: of `call` on `target`."""

    number: float
    target: str = ""
    call: str = ""


FLOOR = "floor"
GOALS: dict[tuple[str, str], Goal] = {
    ("log-metric", "sqlite"): Goal(0.5, "ferroflow", "health"),
    ("log-metric", "postgresql"): Goal(0.6, FLOOR),
    ("log-batch-100", "sqlite"): Goal(1_500),
    ("log-batch-100", "postgresql"): Goal(1_000),
    ("log-batch-1000", "sqlite"): Goal(150),
    ("log-batch-1000", "postgresql"): Goal(0.7, FLOOR),
    ("create-run", "sqlite"): Goal(10_000),
    ("create-run", "postgresql"): Goal(0.6, FLOOR),
    ("get-run", "sqlite"): Goal(10_000),
    ("get-run", "postgresql"): Goal(5_000),
    ("search-newest-100", "sqlite"): Goal(500),
    ("search-newest-100", "postgresql"): Goal(400),
    ("search-filtered", "sqlite"): Goal(3_000),
    ("search-filtered", "postgresql"): Goal(2_500),
    ("history-2000", "sqlite"): Goal(1_500),
    ("history-2000", "postgresql"): Goal(1_200),
    ("search-page-100", "sqlite"): Goal(1 / 1.1, "ferroflow", "search-page-1"),
    ("search-page-100", "postgresql"): Goal(1 / 1.1, "ferroflow", "search-page-1"),
    ("search-page-1000", "sqlite"): Goal(1 / 1.1, "ferroflow", "search-page-1"),
    ("search-page-1000", "postgresql"): Goal(1 / 1.1, "ferroflow", "search-page-1"),
    ("chart-1000000", "sqlite"): Goal(50),
    ("chart-1000000", "postgresql"): Goal(50),
}
GOAL_CONNECTIONS = 16
# Milliseconds, on one connection, of half of the answers.
MEDIANS = {
    "version-by-alias": 1.0,
    **dict.fromkeys(
        ("models-first-25", "models-by-name", "models-by-tag", "versions-of-model", "versions-of-run", "versions-newest-100"), 10.0
    ),
}
COLD_START_SECONDS = 0.030
IDLE_MIB = 12
LOADED_MIB = 32
