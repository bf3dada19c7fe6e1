"""Every route of the installed MLflow package is either served by Ferroflow or listed in `not_yet.py`, never both."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from not_yet import NOT_YET
from official_routes import Route, official_routes

PARAMETER = re.compile(r"<[^>]*>")
PATTERNS = {pattern: part for part, patterns in NOT_YET.items() for pattern in patterns}
# A package that loses its routes must not make these tests pass.
FEWEST_ROUTES = 240


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    """The routes of the package."""
    found = sorted(official_routes())
    assert len(found) > FEWEST_ROUTES
    return found


@pytest.fixture(scope="module")
def served(routes: list[Route], fleet: Fleet) -> dict[Route, bool]:
    """Which of them the server under test has. The server is not shared, since some of the probes write."""
    server = fleet.start(fleet.candidate_kind, "routes", fleet.database("sqlite", "routes"))
    connection = Connection(server.port)
    answers = {route: connection.send(_probe(route)) for route in routes}
    connection.close()
    server.stop()
    return {route: not _is_unknown(answer) for route, answer in answers.items()}


def test_every_route_is_served_or_listed(served: dict[Route, bool]) -> None:
    missing = [str(route) for route, is_served in served.items() if not is_served and not _listed(route)]
    assert not missing, "neither served nor in not_yet.py"


def test_listed_routes_are_not_served(served: dict[Route, bool], pytestconfig: pytest.Config) -> None:
    listed = {route: _listed(route) for route, is_served in served.items() if is_served}
    wrong = {str(route): PATTERNS[patterns[0]] for route, patterns in listed.items() if patterns}
    if pytestconfig.getoption("candidate") == "official":
        wrong = {route: part for route, part in wrong.items() if part.startswith("nothing")}
    assert not wrong, "served, but in not_yet.py"


def test_every_pattern_names_a_route(routes: list[Route]) -> None:
    unused = [pattern for pattern in PATTERNS if not any(fnmatchcase(str(route), pattern) for route in routes)]
    assert not unused, "patterns in not_yet.py without a route"


def test_an_unknown_route_is_seen_as_unknown(fleet: Fleet) -> None:
    connection = Connection(fleet.candidate("sqlite").port)
    assert _is_unknown(connection.send(_probe(Route("/api/2.0/mlflow/no-such-route", "GET"))))
    assert _is_unknown(connection.send(_probe(Route("/api/2.0/mlflow/runs/get", "DELETE"))))
    assert not _is_unknown(connection.send(_probe(Route("/api/2.0/mlflow/runs/get", "GET"))))
    connection.close()


def _probe(route: Route) -> Request:
    is_file = route.path.startswith(("/static-files/", "/build/"))
    path = PARAMETER.sub("index.html" if is_file else "probe", route.path)
    return Request(route.method, path, body=None if route.method == "GET" else {})


def _is_unknown(answer: Answer) -> bool:
    """404 is the answer of a known route only when it is a JSON error, and not the one that says there is no route."""
    if answer.status == 404 and answer.is_json():
        return bool(answer.json().get("error_code") == "ENDPOINT_NOT_FOUND")
    return answer.status in (404, 405)


def _listed(route: Route) -> list[str]:
    return [pattern for pattern in PATTERNS if fnmatchcase(str(route), pattern)]
