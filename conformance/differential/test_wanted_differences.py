"""Runs after all other differential tests of a full run: every wanted difference must have occurred."""

from __future__ import annotations

from differential.recorder import Recorder


def test_every_wanted_difference_occurred(recorder: Recorder) -> None:
    assert not recorder.unseen(), "these wanted differences did not occur; remove them from wanted_differences.py"
