"""Somebody holds a table: requests that need it hold all connections, and the others are told to come back in time."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg2

from fleet import Fleet
from http_client import Answer, Connection, Request
from servers import Server
from writers import API, create_run, is_asked_to_come_back, query, wait_until

SMALL = (("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "3"), ("FERROFLOW_DB_POOL_TIMEOUT", "1"))
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@contextmanager
def held(server: Server, table: str) -> Iterator[None]:
    """Nobody else can even read the table meanwhile."""
    locker = psycopg2.connect(server.backend_uri)
    try:
        locker.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        locker.close()


def send(server: Server, method: str, route: str, body: Any = None) -> Answer:
    connection = Connection(server.port, timeout=30.0)
    answer = connection.send(Request(method, route, body=body))
    connection.close()
    return answer


def test_reads_hold_all_connections(fleet: Fleet) -> None:
    server = fleet.start(fleet.candidate_kind, "full-reads", fleet.database("postgresql", "full_reads"), SMALL)
    run = create_run(server.port, "full")
    read = f"{API}runs/get?run_id={run}"
    with ThreadPoolExecutor(3) as threads:
        with held(server, "runs"):
            holders = [threads.submit(send, server, "GET", read) for _ in range(3)]
            wait_until(lambda: query(server.backend_uri, WAITING) == [(3,)], "the pool is full")
            by_graphql = {"query": f'{{ mlflowGetRun(input: {{runId: "{run}"}}) {{ run {{ info {{ runId }} }} }} }}'}
            for refused in (
                send(server, "GET", read),
                send(server, "POST", API + "runs/update", {"run_id": run}),
                send(server, "POST", "/graphql", by_graphql),
            ):
                assert refused.status == 503
                is_asked_to_come_back(refused)
            assert send(server, "GET", "/livez").status == 200
            unready = send(server, "GET", "/readyz")
            assert (unready.status, unready.json()["database"]) == (503, "does not answer")
        assert [holder.result().status for holder in holders] == [200] * 3
    wait_until(lambda: send(server, "GET", "/readyz").status == 200, "ready again")
    assert send(server, "GET", read).status == 200
    server.stop()


def test_single_metrics_wait_in_their_queue(fleet: Fleet) -> None:
    """Those that wait for the groups before them are refused, too, and what is refused in the queue is not done later."""
    server = fleet.start(fleet.candidate_kind, "full-metrics", fleet.database("postgresql", "full_metrics"), SMALL)
    run = create_run(server.port, "full")

    def log(number: int) -> Answer:
        point = {"run_id": run, "key": "m", "value": 1.0, "timestamp": number, "step": number}
        return send(server, "POST", API + "runs/log-metric", point)

    with ThreadPoolExecutor(40) as threads:
        with held(server, "metrics"):
            refused = list(threads.map(log, range(40)))
            assert {answer.status for answer in refused} == {503}
            for answer in refused:
                is_asked_to_come_back(answer)
            assert send(server, "GET", "/livez").status == 200
        wait_until(lambda: query(server.backend_uri, WAITING) == [(0,)], "nothing waits any more")
        again = list(threads.map(log, range(100, 140)))
    assert {answer.status for answer in again} == {200}
    stored = {step for (step,) in query(server.backend_uri, "SELECT step FROM metrics")}
    assert set(range(100, 140)) <= stored and len(stored) < 80, "what was refused while it waited is not there"
    server.stop()


def test_who_hangs_up_leaves_nothing_running(fleet: Fleet) -> None:
    """Otherwise the next request would wait on the same connection, beyond its limit."""
    server = fleet.start(fleet.candidate_kind, "hung-up", fleet.database("postgresql", "hung_up"), SMALL)
    run = create_run(server.port, "hung up")
    with held(server, "tags"):
        for _ in range(3):
            client = http.client.HTTPConnection("127.0.0.1", server.port)
            body = {"run_id": run, "run_name": "another"}
            client.request("POST", API + "runs/update", json.dumps(body), {"Content-Type": "application/json"})
            wait_until(lambda: query(server.backend_uri, WAITING) == [(1,)], "it waits for the table")
            client.close()
            wait_until(lambda: query(server.backend_uri, WAITING) == [(0,)], "its statement is cancelled")
        assert send(server, "GET", f"{API}experiments/get?experiment_id=0").status == 200
    assert query(server.backend_uri, "SELECT name FROM runs") == [("hung up",)]
    assert send(server, "GET", f"{API}runs/get?run_id={run}").status == 200
    server.stop()
