"""Ferroflow beside a live official server on one database: both serve and write at once, and either goes on alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import psycopg2
from differential.compare import differences
from differential.normalise import Normaliser
from fleet import Fleet
from http_client import Answer, Connection, Request
from servers import Server
from together import API, Client, check, new_job, working
from training import run_job

SECONDS_TOGETHER = 6.0
CLIENTS_EACH = 3
RUNS_READ_ONE_BY_ONE = 8


def test_joining_a_live_server(fleet: Fleet, tmp_path: Path) -> None:
    """The way in, side by side, and the way out: docs/adopting.md."""
    uri = fleet.database("postgresql", "adopted")
    # One folder for both, as their artifacts are the same.
    official = fleet.start("official", "adopted", uri)
    try:
        run_job(official.url, tmp_path)
    finally:
        mlflow.set_tracking_uri(None)
    own = fleet.start(fleet.candidate_kind, "adopted", uri)
    assert _answer_alike(official, own) > 30

    job = new_job(own.port, "together")
    of_official = [[official.port]] * CLIENTS_EACH
    of_own = [[own.port]] * CLIENTS_EACH
    of_both = [[official.port, own.port]] * CLIENTS_EACH
    ports = of_official + of_own + of_both
    clients = [Client(number, of, job, _only_of(official)) for number, of in enumerate(ports)]
    with working(clients):
        time.sleep(SECONDS_TOGETHER)
    for server in (official, own):
        check(server.port, job, clients)
    _answer_alike(official, own)

    # Ferroflow is taken away again ..
    own.stop()
    _write(official, "official alone")
    official_alone = _read_all(official, _reads(official))
    own = fleet.start(fleet.candidate_kind, "adopted", uri)
    assert _read_all(own, _reads(official)) == official_alone
    # .. or the official server is, and comes back.
    official.stop()
    _write(own, "ferroflow alone")
    official = fleet.start("official", "adopted", uri)
    _answer_alike(official, own)
    own.stop()
    official.stop()


def test_a_deadlock_is_ours_to_solve(fleet: Fleet) -> None:
    """The official server inserts a batch's points as they come, Ferroflow sorts them: now and then each waits for the other."""
    uri = fleet.database("postgresql", "deadlock")
    own = fleet.start(fleet.candidate_kind, "deadlock", uri)
    job = new_job(own.port, "deadlock")
    run = job.runs[0]
    points = [{"key": key, "value": 1.0, "timestamp": 1, "step": 1} for key in ("a", "b")]
    insert = "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (%s, %s, 1, 1, 1, false)"
    log_batch = Request("POST", API + "runs/log-batch", body={"run_id": run, "metrics": points})
    with psycopg2.connect(uri) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        # Whoever looks first is the one who gives way: not this one.
        cursor.execute("SET deadlock_timeout = '1min'")
        cursor.execute(insert, (run, "b"))
        answer = thread.submit(Connection(own.port).send, log_batch)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        deadline = time.monotonic() + 30
        while _first(uri, waits) == 0:
            assert time.monotonic() < deadline, "nobody waits"
        cursor.execute(insert, (run, "a"))
        other.commit()
        assert answer.result().status == 200
    assert _first(uri, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 1
    assert _first(uri, "SELECT count(*) FROM metrics") == 2 == _first(uri, "SELECT count(*) FROM latest_metrics")
    own.stop()


def _first(uri: str, query: str) -> Any:
    connection = psycopg2.connect(uri)
    with connection.cursor() as cursor:
        cursor.execute(query)
        (value,) = cursor.fetchone()
    connection.close()
    return value


def test_taking_turns_on_sqlite(fleet: Fleet) -> None:
    """A file has one server at a time: each goes on where the other was."""
    uri = fleet.database("sqlite", "turns")
    for turn in range(2):
        official = fleet.start("official", "turns-sqlite", uri)
        _write(official, f"official {turn}")
        reads = _reads(official)
        before = _read_all(official, reads)
        official.stop()
        own = fleet.start(fleet.candidate_kind, "turns-sqlite", uri)
        assert _read_all(own, reads) == before
        _write(own, f"ferroflow {turn}")
        own.stop()


def _only_of(official: Server) -> Callable[[int, Answer], bool]:
    """The official server fails where two of its own processes meet, too; clients send again then."""

    def forgives(port: int, answer: Answer) -> bool:
        return port == official.port and (answer.status >= 500 or b"psycopg2.errors" in answer.body)

    return forgives


def _write(server: Server, name: str) -> None:
    connection = Connection(server.port)

    def call(route: str, body: dict[str, Any]) -> Any:
        answer = connection.send(Request("POST", API + route, body=body))
        assert answer.status == 200, f"{route}: {answer.body!r}"
        return answer.json()

    experiment = call("experiments/create", {"name": name})["experiment_id"]
    run = call("runs/create", {"experiment_id": experiment, "start_time": 1, "run_name": name})["run"]["info"]["run_id"]
    points = [{"key": "m", "value": n / 3, "timestamp": n, "step": n} for n in range(10)]
    pair = {"key": "team", "value": "ü"}
    call("runs/log-batch", {"run_id": run, "metrics": points, "params": [pair], "tags": [pair]})
    data = {"name": "d", "digest": "1", "source_type": "local", "source": "s"}
    call("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": data, "tags": [pair]}]})
    call("logged-models", {"experiment_id": experiment, "source_run_id": run, "name": "m", "tags": [pair]})
    call("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9})
    connection.close()


def _answer_alike(one: Server, other: Server) -> int:
    """Compares all answers of two servers of one database; says how many they were."""
    reads = _reads(one)
    assert _reads(other) == reads
    compared = zip(reads, _read_all(one, reads), _read_all(other, reads))
    different = [(read.target(), read.body, places) for read, left, right in compared if (places := differences(left, right))]
    assert not different, f"{len(different)} answers differ: {different[:3]}"
    return len(reads)


def _reads(server: Server) -> list[Request]:
    """Requests that read all there is."""
    connection = Connection(server.port)

    def search(route: str, body: dict[str, Any], name: str) -> Any:
        answer = connection.send(Request("POST", API + route, body=body))
        assert answer.status == 200, answer.body
        return answer.json().get(name, [])

    experiments = {"max_results": 1000, "view_type": "ALL"}
    reads = [Request("POST", API + "experiments/search", body=experiments)]
    for experiment in search("experiments/search", experiments, "experiments"):
        of = [experiment["experiment_id"]]
        runs = {"experiment_ids": of, "run_view_type": "ALL", "max_results": 60}
        models = {"experiment_ids": of, "max_results": 50}
        reads += [
            Request("GET", API + "experiments/get", (("experiment_id", of[0]),)),
            Request("POST", API + "runs/search", body=runs),
            Request("POST", API + "runs/search", body={**runs, "max_results": 40, "order_by": ["metrics.loss DESC", "params.C", "tags.team"]}),
            Request("POST", API + "logged-models/search", body=models),
        ]
        for model in search("logged-models/search", models, "models"):
            reads.append(Request("GET", API + f"logged-models/{model['info']['model_id']}"))
        for run in search("runs/search", runs, "runs")[:RUNS_READ_ONE_BY_ONE]:
            run_id = run["info"]["run_id"]
            reads += [Request("GET", API + route, (("run_id", run_id),)) for route in ("runs/get", "artifacts/list")]
            for metric in run["data"].get("metrics", []):
                query = (("run_id", run_id), ("metric_key", metric["key"]), ("max_results", "25000"))
                reads.append(Request("GET", API + "metrics/get-history", query))
    connection.close()
    return reads


def _read_all(server: Server, reads: list[Request]) -> list[Any]:
    connection, normaliser = Connection(server.port), Normaliser(server)
    answers = [normaliser.answer(connection.send(read)) for read in reads]
    connection.close()
    return answers
