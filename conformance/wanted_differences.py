"""The differences between Ferroflow's answers and the official server's that we want, each with its reason.

A difference that no entry matches fails the test in which it occurs. An entry that matches nothing during a full run
fails the run, so that this list stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from differential.compare import Difference
from differential.normalise import DATABASE_TEXT_MARK


@dataclass(frozen=True)
class Wanted:
    """A wanted difference: its name, why we want it, and which differences it covers."""

    name: str
    reason: str
    matches: Callable[[Difference], bool]


def _answers_in_json(difference: Difference) -> bool:
    """Whether Ferroflow answered with a proper error rather than crashing as well."""
    return difference.candidate.error_code() is not None


def _official_crashed(difference: Difference) -> bool:
    official = difference.official
    return official.status == 500 and official.media_type == "text/html" and _answers_in_json(difference)


def _official_shows_its_database(difference: Difference) -> bool:
    """Ferroflow's message must begin as the official one does, up to the database's text."""
    official = difference.official
    own_text, mark, _ = official.message().partition(DATABASE_TEXT_MARK)
    own_text = own_text.removesuffix("Error: ").strip()
    return mark != "" and _answers_in_json(difference) and difference.candidate.message().startswith(own_text)


WANTED: tuple[Wanted, ...] = (
    Wanted(
        "official server crashed",
        "The official server answers an unhandled exception with 500 and an HTML page; Ferroflow names the mistake in "
        "its usual JSON form.",
        _official_crashed,
    ),
    Wanted(
        "official server shows its database",
        "The official server passes on texts of its database driver, with statements and parameters; Ferroflow answers "
        "with its own text.",
        _official_shows_its_database,
    ),
)
