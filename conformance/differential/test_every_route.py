"""Runs after all other differential tests of a full run: no route of the table was left out.

Each served route must have been called with success and with a refusal, on each engine, under each prefix.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from differential.recorder import Call, Recorder
from not_yet import NOT_YET
from official_routes import Route, official_routes
from servers import ENGINES

PARAMETER = re.compile(r"<(path:)?[^>]*>")
# Served without a database behind them, and compared in `test_ui.py`: the interface needs a build of it.
NOT_COMPARED = {"/", "/static-files/<path:path>", "/build/<path:filename>"}
NEVER_REFUSED = {"/health", "/version", "/ajax-api/2.0/mlflow/gateway-proxy"}
# Local directories take uploads in one piece only.
NEVER_DONE = re.compile(r"/mlflow-artifacts/mpu/")


def test_every_route_was_called(recorder: Recorder) -> None:
    routes = [route for route in official_routes() if not _is_listed(route) and route.path not in NOT_COMPARED]
    assert len(routes) > 80
    patterns = {route: _pattern(route) for route in routes}
    seen = {(_route_of(call, patterns), call.engine, _outcome(call)) for call in recorder.calls}
    wanted = {(route, engine, outcome) for route in routes for engine in ENGINES for outcome in _outcomes(route)}
    missing = [f"{route} on {engine}: never {outcome}" for route, engine, outcome in wanted - seen]
    assert not missing, "a scenario must call these:\n" + "\n".join(sorted(missing))


def _is_listed(route: Route) -> bool:
    return any(fnmatchcase(str(route), pattern) for patterns in NOT_YET.values() for pattern in patterns)


def _pattern(route: Route) -> re.Pattern[str]:
    pieces = (re.escape(piece) for piece in PARAMETER.sub("\0", route.path).split("\0"))
    return re.compile((".+" if "<path:" in route.path else "[^/]+").join(pieces))


def _route_of(call: Call, patterns: dict[Route, re.Pattern[str]]) -> Route | None:
    """The route that a call went to; of several that match the one with the fewest parameters."""
    matching = [route for route, pattern in patterns.items() if route.method == call.method and pattern.fullmatch(call.path)]
    return min(matching, key=lambda route: route.path.count("<"), default=None)


def _outcome(call: Call) -> str:
    if call.official == call.candidate == 200:
        return "done"
    return "refused" if 400 <= call.candidate < 600 else "other"


def _outcomes(route: Route) -> tuple[str, ...]:
    if route.path in NEVER_REFUSED:
        return ("done",)
    return ("refused",) if NEVER_DONE.search(route.path) else ("done", "refused")
