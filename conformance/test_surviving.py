"""Many clients on one run, and a PostgreSQL that breaks connections or goes away under them.

Nothing that was acknowledged may be lost, nothing may be done twice, and who cannot be served is told to come back.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from postgres import Cluster, start_cluster
from servers import Server

API = "/api/2.0/mlflow/"
CLIENTS = 64
ROUNDS = 6
SHARED_KEYS = 30
SHARED_POINTS = 10
WRITERS = 8
POOL = 10
SECONDS_UNTIL_SERVING_AGAIN = 2.0
PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster(fleet: Fleet) -> Iterator[Cluster]:
    """A PostgreSQL of this module's own: no other test minds when it goes away."""
    own = start_cluster(fleet.directory / "postgresql-surviving.log")
    try:
        yield own
    finally:
        own.stop()


def test_many_clients_on_one_run(engine: str, fleet: Fleet) -> None:
    """All of them log the same keys, each in an order of its own: no deadlock, no 5xx, nothing lost or doubled."""
    server = fleet.start(fleet.candidate_kind, f"many-{engine}", fleet.database(engine, "many"))
    _log_from_many_clients(server, {200})


def test_many_clients_on_one_run_in_serializable_transactions(fleet: Fleet) -> None:
    """Where the database refuses transactions that cannot be put in an order, clients are asked to come back at worst."""
    uri = fleet.database("postgresql", "serializable")
    name = uri.rsplit("/", 1)[1]
    _execute(fleet.cluster.uri("postgres"), f'ALTER DATABASE "{name}" SET default_transaction_isolation = serializable')
    server = fleet.start(fleet.candidate_kind, "many-serializable", uri)
    _log_from_many_clients(server, {200, 503})


def _log_from_many_clients(server: Server, expected: set[int]) -> None:
    run = _create_run(server.port, "many")
    start = threading.Barrier(CLIENTS)

    def client(number: int) -> None:
        shuffled = random.Random(number)
        connection = Connection(server.port)
        try:
            for turn in range(ROUNDS):
                # All at once, so that they meet at the points that they log alike.
                start.wait(PATIENCE)
                for route, body in _calls(run, number, turn, shuffled):
                    _send_until_done(connection, route, body, expected)
        except BaseException:
            start.abort()
            raise
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as clients:
        ends = [done.exception() for done in [clients.submit(client, number) for number in range(CLIENTS)]]
    failures = [end for end in ends if end is not None and not isinstance(end, threading.BrokenBarrierError)]
    assert not failures, failures[0]
    _check_shared_run(server.port, run)
    server.stop()


def _calls(run: str, number: int, turn: int, shuffled: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """One turn of a client: what all log alike, in its own order, and what only it logs."""
    keys = [f"k{key:02}" for key in range(SHARED_KEYS)]
    shuffled.shuffle(keys)
    alike = [{"key": key, "value": float(n), "timestamp": n, "step": turn} for key in keys for n in range(SHARED_POINTS)]
    shuffled.shuffle(alike)
    own = [{"key": key, "value": float(number), "timestamp": turn, "step": turn + ROUNDS * (number + 1)} for key in keys]
    params = [{"key": key, "value": key} for key in keys]
    tags = [{"key": key, "value": f"{number}-{turn}"} for key in keys] + [{"key": "mlflow.runName", "value": f"n{number}"}]
    single = keys[0]
    batch = ("runs/log-batch", {"run_id": run, "metrics": alike + own[:10], "params": params, "tags": tags})
    calls = [
        *(("runs/log-metric", {"run_id": run, **point}) for point in own[10:]),
        ("runs/log-metric", {"run_id": run, **alike[0]}),
        ("runs/log-parameter", {"run_id": run, "key": single, "value": single}),
        ("runs/log-parameter", {"run_id": run, "key": f"own-{number}-{turn}", "value": "1"}),
        ("runs/set-tag", {"run_id": run, "key": single, "value": f"{number}-{turn}"}),
        ("runs/set-tag", {"run_id": run, "key": f"own-{number}-{turn}", "value": "1"}),
        ("runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": f"n{number}"}),
    ]
    shuffled.shuffle(calls)
    return [batch, *calls]


def _send_until_done(connection: Connection, route: str, body: dict[str, Any], expected: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = connection.send(Request("POST", API + route, body=body))
        assert answer.status in expected, f"{route}: {answer.status} {answer.body!r}"
        if answer.status == 200:
            return
        _is_asked_to_come_back(answer)
        assert time.monotonic() < deadline, f"{route} was refused for too long"
        time.sleep(random.uniform(0.01, 0.2))


def _is_asked_to_come_back(answer: Answer) -> None:
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) > 0


def _check_shared_run(port: int, run: str) -> None:
    connection = Connection(port)
    data = connection.send(Request("GET", API + "runs/get", (("run_id", run),))).json()["run"]
    keys = {f"k{key:02}" for key in range(SHARED_KEYS)}
    own = {f"own-{number}-{turn}" for number in range(CLIENTS) for turn in range(ROUNDS)}
    params = {param["key"]: param["value"] for param in data["data"]["params"]}
    assert params == {**{key: key for key in keys}, **{key: "1" for key in own}}
    tags = {tag["key"]: tag["value"] for tag in data["data"]["tags"]}
    assert set(tags) == keys | own | {"mlflow.runName"}
    assert tags["mlflow.runName"] == data["info"]["run_name"], "the name and its tag come from two clients"
    newest = ROUNDS * CLIENTS + ROUNDS - 1
    assert {(metric["key"], metric["step"]) for metric in data["data"]["metrics"]} == {(key, newest) for key in keys}
    wanted = [(turn, n) for turn in range(ROUNDS) for n in range(SHARED_POINTS)]
    wanted += [(turn + ROUNDS * (number + 1), number) for number in range(CLIENTS) for turn in range(ROUNDS)]
    for key in keys:
        query = (("run_id", run), ("metric_key", key))
        points = connection.send(Request("GET", API + "metrics/get-history", query)).json()["metrics"]
        assert sorted((point["step"], int(point["value"])) for point in points) == sorted(wanted), key
    connection.close()


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
        _is_asked_to_come_back(answer)
        self.refused += 1
        time.sleep(0.005)


def test_terminated_backends(fleet: Fleet, cluster: Cluster) -> None:
    server = fleet.start(fleet.candidate_kind, "terminated", cluster.create_database("terminated"))

    def terminate() -> None:
        ended = 0
        for _ in range(30):
            time.sleep(0.05)
            ended += cluster.terminate_backends(server.backend_uri)
        assert ended > 30

    _write_during(server, terminate)
    server.stop()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_goes_away_and_comes_back(mode: str, fleet: Fleet, cluster: Cluster) -> None:
    server = fleet.start(fleet.candidate_kind, f"restarted-{mode}", cluster.create_database("restarted"))

    def restart() -> None:
        for _ in range(2):
            time.sleep(0.5)
            cluster.down(mode)
            try:
                _check_unready(server)
            finally:
                cluster.up()
            _wait_until_serving(server)

    writers = _write_during(server, restart)
    assert any(writer.refused for writer in writers)
    server.stop()


def _write_during(server: Server, trouble: Callable[[], None]) -> list[Writer]:
    """Writes while there is trouble, and a moment longer; then checks what is there."""
    writers = [Writer(_create_run(server.port, f"run-{number}"), f"w{number}") for number in range(WRITERS)]
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(writer.write, server.port, stop) for writer in writers]
        try:
            trouble()
            before = [len(writer.acknowledged) for writer in writers]
            _wait_until(lambda: all(len(w.acknowledged) > n for w, n in zip(writers, before)), "all write again")
        finally:
            stop.set()
        for done in running:
            done.result()
    for writer in writers:
        _check_writer(server, writer)
    return writers


def _check_writer(server: Server, writer: Writer) -> None:
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
    rows = _query(server.backend_uri, "SELECT name, count(*) FROM runs WHERE name LIKE %s GROUP BY name", f"{writer.name}-%")
    made = dict(rows)
    assert writer.runs_acknowledged <= set(made), "acknowledged runs are missing"
    assert set(made.values()) <= {1}, "a run was made twice"


def _check_unready(server: Server) -> None:
    connection = Connection(server.port)
    _wait_until(lambda: connection.send(Request("GET", "/readyz")).status == 503, "unready")
    report = connection.send(Request("GET", "/readyz")).json()
    assert report == {"ready": False, "database": "does not answer", "schema": "unknown", "artifacts": "ok"}
    assert connection.send(Request("GET", "/livez")).status == 200
    connection.close()


def _wait_until_serving(server: Server) -> None:
    connection = Connection(server.port)
    deadline = time.monotonic() + SECONDS_UNTIL_SERVING_AGAIN
    while connection.send(Request("GET", "/readyz")).status != 200:
        assert time.monotonic() < deadline, "not ready again in time"
        time.sleep(0.02)
    answer = connection.send(Request("POST", API + "runs/create", body={"experiment_id": "0"}))
    assert answer.status == 200, answer.body
    connection.close()


def test_a_full_pool_waits(fleet: Fleet, cluster: Cluster) -> None:
    """All connections wait for a lock of somebody else's, more requests wait for a connection, and all are served."""
    server = fleet.start(fleet.candidate_kind, "full", cluster.create_database("full"))
    run = _create_run(server.port, "full")
    locker = psycopg2.connect(server.backend_uri)
    locker.cursor().execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")

    def set_tag(number: int) -> Answer:
        body = {"run_id": run, "tags": [{"key": f"t{number}", "value": "1"}]}
        return Connection(server.port).send(Request("POST", API + "runs/log-batch", body=body))

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with ThreadPoolExecutor(2 * POOL) as clients:
        answers = [clients.submit(set_tag, number) for number in range(2 * POOL)]
        try:
            _wait_until(lambda: _query(server.backend_uri, waiting) == [(POOL,)], "the pool is full")
        finally:
            locker.close()
        assert [answer.result().status for answer in answers] == [200] * (2 * POOL)
    (connections,) = _query(server.backend_uri, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert connections[0] - 1 <= POOL
    server.stop()


def _create_run(port: int, name: str) -> str:
    connection = Connection(port)
    answer = connection.send(Request("POST", API + "runs/create", body={"experiment_id": "0", "run_name": name}))
    connection.close()
    return str(answer.json()["run"]["info"]["run_id"])


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def _execute(uri: str, statement: str) -> None:
    connection = psycopg2.connect(uri)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def _query(uri: str, query: str, *arguments: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(uri)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return list(cursor.fetchall())
    finally:
        connection.close()
