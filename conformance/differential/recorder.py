"""What a whole session saw: its calls, and its differences, sorted into wanted and unwanted ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from differential.compare import Difference
from wanted_differences import WANTED, Wanted


@dataclass(frozen=True)
class Call:
    """A call that went to both servers, and the status of both answers."""

    engine: str
    method: str
    path: str
    official: int
    candidate: int


class Recorder:
    """Remembers which wanted differences were seen, and writes the unwanted ones to a file."""

    def __init__(self, file: Path, wanted: tuple[Wanted, ...] = WANTED) -> None:
        self._file = file
        self._wanted = wanted
        self._seen: set[str] = set()
        self.calls: set[Call] = set()

    def called(self, call: Call) -> None:
        """Remembers a call."""
        self.calls.add(call)

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
