"""A database that Ferroflow creates is the official one: the same schema, and either server can go on with the other's."""

from __future__ import annotations

from typing import Any

import pytest

from differential.normalise import Normaliser
from fleet import Fleet
from http_client import Connection, Request
from schema import Schema, Table, read_schema
from servers import Server

VERSION = "bf29a5ff90ea"
OWN_PREFIX = "ferroflow_"
# What Ferroflow adds to the official schema, which the official server does not notice.
ADDITIONS = {"ferroflow_runs_experiment_id_lifecycle_stage_start_time", "ferroflow_model_version_tags_name_version"}
API = "/api/2.0/mlflow/"


@pytest.fixture
def schemas(engine: str, fleet: Fleet) -> tuple[Schema, Schema]:
    """The official schema and Ferroflow's, both as made by the servers themselves."""
    return read_schema(fleet.official(engine).backend_uri), read_schema(fleet.candidate(engine).backend_uri)


def test_tables(schemas: tuple[Schema, Schema]) -> None:
    official, own = schemas
    assert len(official.tables) > 30
    assert [name for name in own.tables if not name.startswith(OWN_PREFIX)] == list(official.tables)
    different = {
        name: (_without_own(own.tables[name]), table)
        for name, table in official.tables.items()
        if _without_own(own.tables[name]) != table
    }
    assert not different, "(Ferroflow's, the official)"


def test_everything_else(schemas: tuple[Schema, Schema]) -> None:
    official, own = schemas
    assert [other for other in own.others if not other[1].startswith(OWN_PREFIX)] == official.others
    assert own.version == official.version == VERSION


def test_additions_are_listed(schemas: tuple[Schema, Schema], pytestconfig: pytest.Config) -> None:
    own = schemas[1]
    found = {name for name in own.tables if name.startswith(OWN_PREFIX)}
    found |= {index[0] for table in own.tables.values() for index in table.indexes if index[0].startswith(OWN_PREFIX)}
    found |= {name for _, name in own.others if name.startswith(OWN_PREFIX)}
    listed = ADDITIONS if pytestconfig.getoption("candidate") == "ferroflow" else set()
    assert found == listed


def test_official_server_goes_on_with_our_database(engine: str, fleet: Fleet) -> None:
    _hand_over(fleet, f"ours-{engine}", engine, fleet.candidate_kind, "official")


def test_we_go_on_with_the_official_database(engine: str, fleet: Fleet) -> None:
    _hand_over(fleet, f"theirs-{engine}", engine, "official", fleet.candidate_kind)


def _without_own(table: Table) -> Table:
    return Table(table.columns, table.constraints, [index for index in table.indexes if not index[0].startswith(OWN_PREFIX)])


def _hand_over(fleet: Fleet, name: str, engine: str, first: str, second: str) -> None:
    """Fills a database with one server, reads it with both, and goes on writing with the second."""
    uri = fleet.database(engine, name)
    server = fleet.start(first, name, uri)
    reads = _fill(server, "first")
    before = _read(server, reads)
    server.stop()
    server = fleet.start(second, name, uri)
    assert _read(server, reads) == before
    more = _fill(server, "second")
    assert all(status == 200 for status, _ in _read(server, more))
    server.stop()


def _read(server: Server, reads: list[Request]) -> list[Any]:
    connection, normaliser = Connection(server.port), Normaliser(server)
    answers = [normaliser.answer(connection.send(read)) for read in reads]
    connection.close()
    return [(answer.status, answer.body) for answer in answers]


def _fill(server: Server, turn: str) -> list[Request]:
    """Writes something of everything; returns requests that read it."""
    connection = Connection(server.port)

    def call(route: str, body: Any) -> Any:
        answer = connection.send(Request("POST", API + route, body=body))
        assert answer.status == 200, f"{route}: {answer.body!r}"
        return answer.json()

    tag = {"key": "team", "value": "ü"}
    experiment = call("experiments/create", {"name": f"filled {turn}", "tags": [tag]})["experiment_id"]
    run = call("runs/create", {"experiment_id": experiment, "start_time": 5, "run_name": "a", "tags": [tag]})["run"]["info"]["run_id"]
    deleted = call("runs/create", {"experiment_id": experiment, "start_time": 6})["run"]["info"]["run_id"]
    model = call("logged-models", {"experiment_id": experiment, "source_run_id": run, "tags": [tag]})["model"]["info"]["model_id"]
    metrics = [{"key": "m", "value": value, "timestamp": step, "step": step} for step, value in enumerate((1.5, "NaN", "Infinity", 0.1))]
    call("runs/log-batch", {"run_id": run, "metrics": metrics, "params": [{"key": "p", "value": ""}], "tags": [tag]})
    data = {"name": "d", "digest": "1", "source_type": "local", "source": "s", "schema": "{}"}
    call("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": data, "tags": [tag]}], "models": [{"model_id": model}]})
    call("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 1}]})
    call("runs/log-metric", {"run_id": run, "key": "e", "value": 1, "timestamp": 1, "model_id": model, "dataset_name": "d", "dataset_digest": "1"})
    call("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9})
    call("runs/delete", {"run_id": deleted})
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt"
    assert connection.send(Request("PUT", path, body=b"text")).status == 200
    connection.close()
    return [
        Request("GET", API + "experiments/get", (("experiment_id", experiment),)),
        *(Request("GET", API + "runs/get", (("run_id", one),)) for one in (run, deleted)),
        Request("GET", API + "metrics/get-history", (("run_id", run), ("metric_key", "m"), ("max_results", "10"))),
        Request("GET", API + f"logged-models/{model}"),
        Request("POST", API + "runs/search", body={"experiment_ids": [experiment], "filter": "tags.team = 'ü' AND metrics.m < 1"}),
        Request("POST", API + "logged-models/search", body={"experiment_ids": [experiment], "filter": "metrics.e = 1"}),
        Request("GET", API + "artifacts/list", (("run_id", run),)),
        Request("GET", "/get-artifact", (("run_id", run), ("path", "a.txt"))),
    ]
