"""Sorts differences into wanted and unwanted ones, for a whole session, and keeps a list of the unwanted."""

from __future__ import annotations

from pathlib import Path

from differential.compare import Difference
from wanted_differences import WANTED, Wanted


class Recorder:
    """Remembers which wanted differences were seen, and writes the unwanted ones to a file."""

    def __init__(self, file: Path, wanted: tuple[Wanted, ...] = WANTED) -> None:
        self._file = file
        self._wanted = wanted
        self._seen: set[str] = set()

    def unwanted(self, difference: Difference) -> list[Difference]:
        """Nothing when the difference is wanted, otherwise the difference."""
        for wanted in self._wanted:
            if wanted.matches(difference):
                self._seen.add(wanted.name)
                return []
        with open(self._file, "a") as file:
            file.write(difference.describe() + "\n\n")
        return [difference]

    def unseen(self) -> list[str]:
        """The names of wanted differences that did not occur."""
        return [wanted.name for wanted in self._wanted if wanted.name not in self._seen]
