"""MLflow's web UI in Chromium, over data that the stock client wrote: every page, what they show, and the main jobs by clicking.

A test fails on an error in the console, on an exception of the page, and on a request that did not succeed. Requests to what
`not_yet.py` lists may end in a 404: the page must show the UI's own state for it then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import jobs
from browser.data import Data, write
from browser.pages import addresses, patterns
from browser.watch import Visitor, browser, record_video
from fleet import Fleet
from servers import Server


@pytest.fixture(scope="module")
def server(fleet: Fleet, ui_home: Path, pytestconfig: pytest.Config) -> Iterator[Server]:
    """A server of its own, with the UI."""
    database = fleet.database(pytestconfig.getoption("browser_engine"), "browser")
    server = fleet.start(fleet.candidate_kind, "browser", database, (("FERROFLOW_UI_HOME", str(ui_home)),))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def visitor(server: Server, session_directory: Path) -> Iterator[Visitor]:
    """The browser. Its pictures stay in the session's directory."""
    pictures = session_directory / "pictures"
    pictures.mkdir()
    with browser(session_directory / "chromium") as page:
        yield Visitor(page, server.url, pictures)


@pytest.fixture(scope="module")
def data(server: Server, visitor: Visitor) -> Data:
    """What there is to see."""
    written = write(server.url, server.backend_uri, record_video(visitor.page))
    visitor.watch()
    return written


@pytest.fixture(autouse=True)
def nothing_goes_wrong(visitor: Visitor) -> Iterator[None]:
    """No test leaves a problem behind."""
    yield
    assert not visitor.problems()


def test_every_page(visitor: Visitor, data: Data, ui_home: Path) -> None:
    pages = addresses(data)
    assert set(pages) == patterns(ui_home / "3.7.0"), "the pages of the build, and those that are visited"
    problems = []
    for number, (pattern, visits) in enumerate(pages.items()):
        for turn, (address, text) in enumerate(visits.items()):
            visitor.waiting.clear()
            visitor.open(f"#{address}")
            if not visitor.shows(text):
                problems.append(f"{address}: no {text!r} in {visitor.page.inner_text('body')!r}")
            visitor.picture(f"page-{number:02}-{turn}")
            problems += visitor.problems()
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", jobs.PREVIEWS)
def test_previews(visitor: Visitor, data: Data, name: str) -> None:
    jobs.preview(visitor, data, name)


@pytest.mark.parametrize("job", jobs.TRACKING, ids=lambda job: job.__name__)
def test_tracking(visitor: Visitor, data: Data, job: jobs.Job) -> None:
    visitor.waiting.clear()
    job(visitor, data)


@pytest.mark.parametrize("job", jobs.REGISTRY, ids=lambda job: job.__name__)
def test_registry(visitor: Visitor, data: Data, job: jobs.Job) -> None:
    visitor.waiting.clear()
    job(visitor, data)


def test_nothing_is_asked_for_outside(visitor: Visitor, data: Data) -> None:
    hosts = {url.split("/")[2].split(".", 1)[-1] for url in visitor.outside}
    assert hosts <= {"tile.openstreetmap.org", "openstreetmap.org"}, "but the tiles below a map"
