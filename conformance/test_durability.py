"""What was acknowledged survives: the server is killed again and again while it is being written to.

After every kill the server is started on the same database, and at the end every acknowledged write must be there, none
of them twice, in a database that is in order.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from fleet import Fleet
from http_client import Connection, Request
from servers import Server

KILLS = 20
WRITERS = 4
SECONDS_BETWEEN_KILLS = 0.5
SECONDS_UNTIL_FIRST_ACKNOWLEDGEMENT = 20.0
PAGE_SIZE = "25000"
API = "/api/2.0/mlflow/"


@dataclass
class Writer:
    """One thread's run, and what the server has acknowledged of it. Every value is used once, so doubles show."""

    run: str
    key: str
    next_value: int = 0
    points: set[int] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    in_flight: set[int] = field(default_factory=set)

    def write(self, port: int, stop: threading.Event, acknowledged: threading.Event) -> None:
        """Writes until told to stop or until the server is gone."""
        connection = Connection(port, timeout=10.0)
        try:
            while not stop.is_set():
                self._write_once(connection)
                acknowledged.set()
        except (OSError, RuntimeError, ValueError):
            pass  # the server was killed during this call: nothing of it was acknowledged
        except Exception as error:  # http.client's exceptions for answers that end in the middle
            if type(error).__module__ != "http.client":
                raise
        finally:
            connection.close()

    def _write_once(self, connection: Connection) -> None:
        first = self.next_value
        kind = first % 3
        values = range(first, first + (20 if kind == 0 else 1))
        self.next_value = values.stop
        self.in_flight |= set(values)
        name = f"{self.key}-{first}"
        if kind == 0:
            entry = {"key": name, "value": str(first)}
            body = {"run_id": self.run, "metrics": [self._point(v) for v in values], "params": [entry], "tags": [entry]}
            self._post(connection, "runs/log-batch", body)
            self.texts.add(name)
        else:
            self._post(connection, "runs/log-metric", {"run_id": self.run, **self._point(first)})
            if kind == 1:
                self._post(connection, "runs/log-parameter", {"run_id": self.run, "key": name, "value": str(first)})
                self._post(connection, "runs/set-tag", {"run_id": self.run, "key": name, "value": str(first)})
                self.texts.add(name)
        self.points |= set(values)

    def _point(self, value: int) -> dict[str, Any]:
        return {"key": self.key, "value": float(value), "timestamp": value, "step": value}

    def _post(self, connection: Connection, route: str, body: dict[str, Any]) -> None:
        answer = connection.send(Request("POST", API + route, body=body))
        assert answer.status == 200, f"{route}: {answer.status} {answer.body!r}"


def test_acknowledged_writes_survive_kills(engine: str, fleet: Fleet) -> None:
    uri = fleet.database(engine, "durability")
    name = f"durability-{engine}"
    server = fleet.start(fleet.candidate_kind, name, uri)
    writers = _create_writers(server)
    for _ in range(KILLS):
        _write_and_kill(server, writers)
        server = fleet.start(fleet.candidate_kind, name, uri)
    for writer in writers:
        _check(server, writer)
    assert sum(len(writer.points) for writer in writers) > KILLS * WRITERS
    server.stop()
    if engine == "sqlite":
        _check_sqlite_file(uri.removeprefix("sqlite:///"))


def _create_writers(server: Server) -> list[Writer]:
    connection = Connection(server.port)
    experiment = connection.send(Request("POST", API + "experiments/create", body={"name": "durability"})).json()["experiment_id"]
    runs = [connection.send(Request("POST", API + "runs/create", body={"experiment_id": experiment})).json() for _ in range(WRITERS)]
    connection.close()
    return [Writer(run["run"]["info"]["run_id"], f"m{number}") for number, run in enumerate(runs)]


def _write_and_kill(server: Server, writers: list[Writer]) -> None:
    stop, acknowledged = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def run(writer: Writer) -> None:
        try:
            writer.write(server.port, stop, acknowledged)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    assert acknowledged.wait(SECONDS_UNTIL_FIRST_ACKNOWLEDGEMENT)
    time.sleep(SECONDS_BETWEEN_KILLS)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures


def _check(server: Server, writer: Writer) -> None:
    connection = Connection(server.port)
    values = _history(connection, writer)
    run = connection.send(Request("GET", API + "runs/get", (("run_id", writer.run),))).json()["run"]["data"]
    connection.close()
    assert len(values) == len(set(values)), "points were doubled"
    assert writer.points <= set(values), "acknowledged points are missing"
    assert set(values) <= writer.in_flight, "points that were never sent"
    for kind in ("params", "tags"):
        assert writer.texts <= {entry["key"] for entry in run[kind]}, f"acknowledged {kind} are missing"
    (latest,) = (metric for metric in run["metrics"] if metric["key"] == writer.key)
    assert latest["step"] == max(values), "the latest value is not the one with the highest step"
    _check_batches_are_whole(values, {entry["key"] for entry in run["params"]}, writer)


def _history(connection: Connection, writer: Writer) -> list[int]:
    """All points of the run, over all pages."""
    values: list[int] = []
    token = ""
    while True:
        query = (("run_id", writer.run), ("metric_key", writer.key), ("max_results", PAGE_SIZE), ("page_token", token))
        page = connection.send(Request("GET", API + "metrics/get-history", query)).json()
        values += [int(point["value"]) for point in page["metrics"]]
        token = page.get("next_page_token", "")
        if not token:
            return values


def _check_batches_are_whole(values: list[int], params: set[str], writer: Writer) -> None:
    """A batch is written as a whole or not at all, also when its answer did not come through."""
    present = set(values)
    for name in params:
        first = int(name.rsplit("-", 1)[1])
        if first % 3 == 0:
            assert set(range(first, first + 20)) <= present, f"a part of the batch {first} is missing"


def _check_sqlite_file(path: str) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()
