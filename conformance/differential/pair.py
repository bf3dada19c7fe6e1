"""Two servers that get the same calls: the official one and the one under test.

A scenario calls `get`, `post` and so on. Every call goes to both, the answers are compared at once, and differences are
collected, so that one test shows all of them. What an answer contains goes into later calls by `Exchange.ref`: the
returned text stands for the official server's value in calls to the official server, and for the candidate's in calls
to the candidate; it may be put anywhere in paths, queries and bodies, also inside of longer strings.

Routes are served under two prefixes. A scenario leaves the choice open (`EITHER`), and every other call of the same route
then goes to the other prefix, so that all routes are tried under both, on both engines, in the time of one.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from differential.compare import Difference, differences
from differential.normalise import Normaliser, synchronise
from differential.recorder import Call, Recorder
from http_client import Answer, Connection, Request
from servers import Server

PLACEHOLDER = re.compile(r"«(\d+)»")
MISSING = "not-in-the-answer"
EITHER = "«prefix»"
# Engines begin with different prefixes: what a scenario calls only once is still called under both.
FIRST_AND_SECOND = {"sqlite": ("/ajax-api", "/api"), "postgresql": ("/api", "/ajax-api")}
WEBHOOKS = "/2.0/mlflow/webhooks"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Exchange:
    """One call and both answers."""

    pair: Pair
    official: Answer
    candidate: Answer

    def succeeded(self) -> bool:
        """Whether both servers did what was asked."""
        return self.official.status == 200 and self.candidate.status == 200

    def ref(self, path: str) -> str:
        """A text that stands for the value at `path` (`run.info.run_id`, `models.0.info.model_id`) in both answers."""
        return self.pair.remember(_at(self.official, path), _at(self.candidate, path), path)


class Pair:
    """Both servers, for the time of one scenario."""

    def __init__(self, official: Server, candidate: Server, prefix: str, recorder: Recorder) -> None:
        self.prefix = prefix
        self.token = f"s{next(_numbers)}"
        self.differences: list[Difference] = []
        self._recorder = recorder
        self.backend_uris = (official.backend_uri, candidate.backend_uri)
        self._engine = official.backend_uri.partition(":")[0]
        self._calls: Counter[tuple[str, str]] = Counter()
        self._remembered: list[tuple[str, str]] = []
        self._names = itertools.count(1)
        self._connections = (Connection(official.port), Connection(candidate.port))
        self._normalisers = (Normaliser(official), Normaliser(candidate))

    def name(self, label: str = "name") -> str:
        """A name that is new to both servers."""
        return f"{label}_{self.token}_{next(self._names)}"

    def get(self, route: str, **query: Any) -> Exchange:
        """GET of an API route; a list is sent as a repeated parameter."""
        return self._api("GET", route, query=_query(query))

    def post(self, route: str, body: Any = None) -> Exchange:
        """POST of a JSON body (or of bytes) to an API route."""
        return self._api("POST", route, body=body)

    def patch(self, route: str, body: Any = None) -> Exchange:
        """PATCH of a JSON body."""
        return self._api("PATCH", route, body=body)

    def delete(self, route: str, body: Any = None) -> Exchange:
        """DELETE, with or without a body."""
        return self._api("DELETE", route, body=body)

    def send(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...] = (),
        body: Any = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Exchange:
        """Any request, as it stands, but for a prefix that is left open."""
        path = self._with_prefix(method, path)
        request = Request(method, path, query, body, headers)
        sent = (self._resolve(request, 0), self._resolve(request, 1))
        answers = tuple(connection.send(one) for connection, one in zip(self._connections, sent))
        synchronise(*self._normalisers)
        self._recorder.called(Call(self._engine, method, sent[0].path.partition("?")[0], answers[0].status, answers[1].status))
        official, candidate = (n.answer(answer, path) for n, answer in zip(self._normalisers, answers))
        places = differences(official, candidate)
        if places:
            route = PLACEHOLDER.sub("*", path)
            self.differences += self._recorder.unwanted(Difference(sent[0], route, official, candidate, places))
        return Exchange(self, *answers)

    def ask(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> tuple[Answer, Answer]:
        """Both answers to a request, which are not compared: for what a scenario compares in a way of its own."""
        request = Request(method, path, query)
        official, candidate = (connection.send(self._resolve(request, side)) for side, connection in enumerate(self._connections))
        return official, candidate

    def remember(self, official: str | None, candidate: str | None, path: str) -> str:
        """Keeps the two values and returns the text that stands for them."""
        assert official is not None, f"the scenario is wrong: the official server answered without {path}"
        self._remembered.append((official, MISSING if candidate is None else candidate))
        return f"«{len(self._remembered) - 1}»"

    def value(self, text: str, side: int) -> str:
        """What a text with references in it is for one of the two servers."""
        return str(self._resolve(text, side))

    def close(self) -> None:
        """Closes the connections. No webhook stays, as it would be told of what later tests do to models."""
        for connection in self._connections:
            if any(WEBHOOKS in route for _, route in self._calls):
                _delete_webhooks(connection)
            connection.close()

    def assert_equal_answers(self) -> None:
        """Fails with all unwanted differences, if there were any."""
        if self.differences:
            raise AssertionError(
                f"{len(self.differences)} unwanted differences:\n\n"
                + "\n\n".join(difference.describe() for difference in self.differences)
            )

    def _api(self, method: str, route: str, query: tuple[tuple[str, str], ...] = (), body: Any = None) -> Exchange:
        exchange = self.send(method, f"{self.prefix}/2.0/mlflow/{route}", query, body)
        answer = exchange.official
        known = answer.is_json() or answer.status not in (404, 405)
        assert known, f"the scenario is wrong: the official server has no route {method} {route}"
        return exchange

    def _with_prefix(self, method: str, path: str) -> str:
        if not path.startswith(EITHER):
            return path
        route = (method, PLACEHOLDER.sub("*", path).partition("?")[0])
        self._calls[route] += 1
        return FIRST_AND_SECOND[self._engine][(self._calls[route] - 1) % 2] + path.removeprefix(EITHER)

    def _resolve(self, value: Any, side: int) -> Any:
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda match: self._remembered[int(match.group(1))][side], value)
        if isinstance(value, dict):
            return {self._resolve(name, side): self._resolve(item, side) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._resolve(item, side) for item in value)
        if isinstance(value, Request):
            path, query, body = (self._resolve(part, side) for part in (value.path, value.query, value.body))
            return Request(value.method, path, query, body, value.headers)
        return value


def _delete_webhooks(connection: Connection) -> None:
    while found := connection.send(Request("GET", f"/api{WEBHOOKS}", (("max_results", "500"),))).json().get("webhooks"):
        for webhook in found:
            assert connection.send(Request("DELETE", f"/api{WEBHOOKS}/{webhook['webhook_id']}")).status == 200


def _query(parameters: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, str(item))
        for name, value in parameters.items()
        for item in (value if isinstance(value, list) else [value])
    )


def _at(answer: Answer, path: str) -> str | None:
    """The value at a dotted path of a JSON answer, as a text; None when it is not there."""
    try:
        value = answer.json()
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return str(value)
