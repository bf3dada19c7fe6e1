"""Options and session-wide fixtures of the conformance tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import Fleet
from object_stores import ObjectStores
from receiver import Receiver
from servers import ENGINES, MLFLOW_WHEEL, REPOSITORY, ferroflow_binary

CONFORMANCE = Path(__file__).resolve().parent
LAST_FILES = ("test_every_route.py", "test_wanted_differences.py")
RUNS_KEPT = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--candidate=official` compares the official server with itself: it checks the tests rather than Ferroflow."""
    parser.addoption("--candidate", choices=("ferroflow", "official"), default="ferroflow", help="the server under test")
    parser.addoption("--browser-engine", choices=ENGINES, default="sqlite", help="the database of the browser's test")


def pytest_configure() -> None:
    """The client's patience: a server that answers 500 is to fail the test now, not after minutes of retries."""
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The checks of what the differential tests have seen need all of them: they run last, or not at all."""
    last = [item for item in items if item.path.name in LAST_FILES]
    others = [item for item in items if item.path.name not in LAST_FILES]
    collected = {item.path for item in others}
    everything = {file for file in (CONFORMANCE / "differential").glob("test_*.py") if file.name not in LAST_FILES}
    is_full_run = everything <= collected and not config.option.keyword
    if is_full_run:
        items[:] = others + last
    else:
        items[:] = others
        config.hook.pytest_deselected(items=last)


@pytest.fixture(scope="session")
def session_directory() -> Path:
    """Where this session keeps its logs and databases; those of the last few sessions are kept, too."""
    parent = REPOSITORY / "target" / "conformance"
    directory = parent / time.strftime("%Y%m%dT%H%M%S")
    directory.mkdir(parents=True)
    for old in sorted(parent.iterdir())[:-RUNS_KEPT]:
        shutil.rmtree(old)
    return directory


@pytest.fixture(scope="session")
def fleet(session_directory: Path, pytestconfig: pytest.Config) -> Iterator[Fleet]:
    """The servers of the session."""
    servers = Fleet(session_directory, pytestconfig.getoption("candidate"))
    try:
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def object_stores(session_directory: Path) -> Iterator[ObjectStores]:
    """The object stores of the session."""
    stores = ObjectStores(session_directory)
    try:
        yield stores
    finally:
        stores.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks, which both servers may reach."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="session")
def ui_home(session_directory: Path) -> Path:
    """What `FERROFLOW_UI_HOME` has to be for the web UI, which is installed there out of the wheel."""
    home = session_directory / "ui"
    command = [str(ferroflow_binary()), "ui", "install", "--wheel", str(MLFLOW_WHEEL)]
    subprocess.run(command, env={**os.environ, "FERROFLOW_UI_HOME": str(home)}, check=True, timeout=120)
    return home


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The database engine; everything that asks for it runs on each of them."""
    return str(request.param)
