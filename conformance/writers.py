"""Clients that write while the database is in trouble, and what must be there afterwards.

A write that is refused for the moment is not sent again, so that one that was done twice shows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from http_client import Answer, Connection, Request
from servers import Server

API = "/api/2.0/mlflow/"
WRITERS = 8
SECONDS_UNTIL_SERVING_AGAIN = 2.0
PATIENCE = 60.0


@dataclass
class Writer:
    """One client that writes until it is told to stop, what it has sent, and what was acknowledged of it."""

    run: str
    name: str
    sent: int = 0
    acknowledged: set[str] = field(default_factory=set)
    runs_acknowledged: set[str] = field(default_factory=set)
    refused: int = 0

    def write(self, port: int, stop: threading.Event) -> None:
        """Writes; a write that is refused for the moment is not sent again, so that it can be looked for later."""
        connection = Connection(port, timeout=PATIENCE)
        while not stop.is_set():
            self._write_once(connection)
        connection.close()

    def _write_once(self, connection: Connection) -> None:
        name = f"{self.name}-{self.sent}"
        kind = self.sent % 5
        self.sent += 1
        point = {"key": name, "value": 1.0, "timestamp": 1, "step": 1}
        pair = {"key": name, "value": "1"}
        route, body = (
            ("runs/log-metric", {"run_id": self.run, **point}),
            ("runs/log-parameter", {"run_id": self.run, **pair}),
            ("runs/set-tag", {"run_id": self.run, **pair}),
            ("runs/log-batch", {"run_id": self.run, "metrics": [point], "params": [pair], "tags": [pair]}),
            ("runs/create", {"experiment_id": "0", "run_name": name}),
        )[kind]
        answer = connection.send(Request("POST", API + route, body=body))
        if answer.status == 200:
            (self.runs_acknowledged if kind == 4 else self.acknowledged).add(name)
            return
        assert answer.status == 503, f"{route}: {answer.status} {answer.body!r}"
        is_asked_to_come_back(answer)
        self.refused += 1
        time.sleep(0.005)


def write_during(server: Server, trouble: Callable[[], None]) -> list[Writer]:
    """Writes while there is trouble, and a moment longer; then checks what is there."""
    writers = [Writer(create_run(server.port, f"run-{number}"), f"w{number}") for number in range(WRITERS)]
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(writer.write, server.port, stop) for writer in writers]
        try:
            trouble()
            before = [len(writer.acknowledged) for writer in writers]
            wait_until(lambda: all(len(w.acknowledged) > n for w, n in zip(writers, before)), "all write again")
        finally:
            stop.set()
        for done in running:
            done.result()
    for writer in writers:
        check_writer(server, writer)
    return writers


def check_writer(server: Server, writer: Writer) -> None:
    connection = Connection(server.port)
    data = connection.send(Request("GET", API + "runs/get", (("run_id", writer.run),))).json()["run"]["data"]
    connection.close()
    found = {kind: [entry["key"] for entry in data[kind]] for kind in ("metrics", "params", "tags")}
    number = {name: int(name.rsplit("-", 1)[1]) for name in writer.acknowledged}
    for kind, remainder in (("metrics", 0), ("params", 1), ("tags", 2)):
        wanted = {name for name, n in number.items() if n % 5 in (remainder, 3)}
        assert wanted <= set(found[kind]), f"acknowledged {kind} are missing"
        batches = {key for key in found[kind] if key.startswith("w") and int(key.rsplit("-", 1)[1]) % 5 == 3}
        assert batches == {key for key in found["params"] if int(key.rsplit("-", 1)[1]) % 5 == 3}, "a batch is there in part"
    rows = query(server.backend_uri, "SELECT name, count(*) FROM runs WHERE name LIKE %s GROUP BY name", f"{writer.name}-%")
    made = dict(rows)
    assert writer.runs_acknowledged <= set(made), "acknowledged runs are missing"
    assert set(made.values()) <= {1}, "a run was made twice"


def wait_until_serving(server: Server) -> None:
    """Waits until requests are served again, for as long as that may take."""
    connection = Connection(server.port)
    deadline = time.monotonic() + SECONDS_UNTIL_SERVING_AGAIN
    while connection.send(Request("GET", "/readyz")).status != 200:
        assert time.monotonic() < deadline, "not ready again in time"
        time.sleep(0.02)
    answer = connection.send(Request("POST", API + "runs/create", body={"experiment_id": "0"}))
    assert answer.status == 200, answer.body
    connection.close()


def is_asked_to_come_back(answer: Answer) -> None:
    """Checks a refusal for the moment."""
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) > 0


def create_run(port: int, name: str) -> str:
    """Makes a run and answers its id."""
    connection = Connection(port)
    answer = connection.send(Request("POST", API + "runs/create", body={"experiment_id": "0", "run_name": name}))
    connection.close()
    return str(answer.json()["run"]["info"]["run_id"])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def query(uri: str, query: str, *arguments: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    connection = psycopg2.connect(uri)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return list(cursor.fetchall())
    finally:
        connection.close()
