"""Fixtures of the differential tests, and the check at the end of each of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from differential.pair import EITHER, Pair
from differential.recorder import Recorder
from fleet import Fleet


@pytest.fixture(scope="session")
def recorder(session_directory: Path, pytestconfig: pytest.Config) -> Recorder:
    """What the session saw. The official server must not differ from itself in any way."""
    file = session_directory / "differences.txt"
    return Recorder(file, ()) if pytestconfig.getoption("candidate") == "official" else Recorder(file)


def _pair(fleet: Fleet, recorder: Recorder, engine: str, prefix: str) -> Iterator[Pair]:
    pair = Pair(fleet.official(engine), fleet.candidate(engine), prefix, recorder)
    yield pair
    pair.close()


@pytest.fixture
def pair(engine: str, fleet: Fleet, recorder: Recorder) -> Iterator[Pair]:
    """Both servers, on each engine, and under both prefixes in turns."""
    yield from _pair(fleet, recorder, engine, EITHER)


@pytest.fixture
def ajax_pair(engine: str, fleet: Fleet, recorder: Recorder) -> Iterator[Pair]:
    """Both servers, on each engine, under `/ajax-api` only: for routes that exist only there."""
    yield from _pair(fleet, recorder, engine, "/ajax-api")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """After a scenario: fail if any answer differed."""
    result = yield
    for value in pyfuncitem.funcargs.values():
        if isinstance(value, Pair):
            value.assert_equal_answers()
    return result
