"""Many clients on one run, and a PostgreSQL that breaks connections or goes away under them.

Nothing that was acknowledged may be lost, nothing may be done twice, and who cannot be served is told to come back.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from postgres import Cluster, start_cluster
from servers import Server
from writers import API, PATIENCE, create_run, is_asked_to_come_back, query, wait_until, wait_until_serving, write_during

CLIENTS = 64
ROUNDS = 6
SHARED_KEYS = 30
SHARED_POINTS = 10
POOL = 10


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
    run = create_run(server.port, "many")
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
        is_asked_to_come_back(answer)
        assert time.monotonic() < deadline, f"{route} was refused for too long"
        time.sleep(random.uniform(0.01, 0.2))


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


def test_terminated_backends(fleet: Fleet, cluster: Cluster) -> None:
    server = fleet.start(fleet.candidate_kind, "terminated", cluster.create_database("terminated"))

    def terminate() -> None:
        ended = 0
        for _ in range(30):
            time.sleep(0.05)
            ended += cluster.terminate_backends(server.backend_uri)
        assert ended > 30

    write_during(server, terminate)
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
            wait_until_serving(server)

    writers = write_during(server, restart)
    assert any(writer.refused for writer in writers)
    server.stop()


def _check_unready(server: Server) -> None:
    connection = Connection(server.port)
    wait_until(lambda: connection.send(Request("GET", "/readyz")).status == 503, "unready")
    report = connection.send(Request("GET", "/readyz")).json()
    assert report == {"ready": False, "database": "does not answer", "schema": "unknown", "artifacts": "ok"}
    assert connection.send(Request("GET", "/livez")).status == 200
    connection.close()


def test_a_full_pool_waits(fleet: Fleet, cluster: Cluster) -> None:
    """All connections wait for a lock of somebody else's, more requests wait for a connection, and all are served."""
    server = fleet.start(fleet.candidate_kind, "full", cluster.create_database("full"))
    run = create_run(server.port, "full")
    locker = psycopg2.connect(server.backend_uri)
    locker.cursor().execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")

    def rename(number: int) -> Answer:
        body = {"run_id": run, "run_name": f"r{number}"}
        return Connection(server.port).send(Request("POST", API + "runs/update", body=body))

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with ThreadPoolExecutor(2 * POOL) as clients:
        answers = [clients.submit(rename, number) for number in range(2 * POOL)]
        try:
            wait_until(lambda: query(server.backend_uri, waiting) == [(POOL,)], "the pool is full")
        finally:
            locker.close()
        assert [answer.result().status for answer in answers] == [200] * (2 * POOL)
    (connections,) = query(server.backend_uri, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert connections[0] - 1 <= POOL
    server.stop()


def _execute(uri: str, statement: str) -> None:
    connection = psycopg2.connect(uri)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


