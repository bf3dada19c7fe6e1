"""`ferroflow db indexes`: additions that can be made beside a running server, change no answer, and go by one command."""

from __future__ import annotations

import subprocess

import pytest
import sqlalchemy

from fleet import Fleet
from http_client import Connection, Request
from schema import read_schema
from servers import ferroflow_binary

NAMES = (
    "ferroflow_runs_experiment_id_lifecycle_stage_start_time",
    "ferroflow_latest_metrics_key_value",
    "ferroflow_model_version_tags_name_version",
)
TIMEOUT = 60.0
SEARCHES = [
    {"filter": "metrics.m > 1", "order_by": ["metrics.m DESC"]},
    {"filter": "metrics.m > 1 AND params.p = '1'", "order_by": ["metrics.m ASC"]},
    {"filter": "metrics.m > 99", "order_by": ["metrics.m DESC"]},
    {"filter": "metrics.m >= 0"},
    {"order_by": ["metrics.m DESC"]},
    {"order_by": ["metrics.m"]},
    {},
]


def _indexes(uri: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(ferroflow_binary()), "db", "indexes", *arguments, uri], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _own(uri: str) -> set[str]:
    tables = read_schema(uri).tables.values()
    return {index[0] for table in tables for index in table.indexes if index[0].startswith("ferroflow_")}


def _post(connection: Connection, route: str, body: object) -> dict:
    answer = connection.send(Request("POST", f"/api/2.0/mlflow/{route}", body=body))
    assert answer.status == 200, answer.body
    return answer.json()


def _answers(connection: Connection, experiments: list[str]) -> list[list[str]]:
    """The ids that each search finds, two runs to a page, so that the tokens are used as well."""
    found = []
    for search in SEARCHES:
        token, ids = "", []
        while True:
            body = {"experiment_ids": experiments, "max_results": 2, "page_token": token, **search}
            page = _post(connection, "runs/search", body)
            ids += [run["info"]["run_id"] for run in page.get("runs", [])]
            token = page.get("next_page_token", "")
            if not token:
                break
        found.append(ids)
    return found


def test_every_way_finds_the_same(engine: str, fleet: Fleet) -> None:
    """Searches of one server with all the indexes, with none, and of an official server on the same database."""
    uri = fleet.database(engine, f"indexed-{engine}")
    server = fleet.start("ferroflow", f"indexed-{engine}", uri)
    connection = Connection(server.port)
    experiments = []
    for name in ("one", "two"):
        experiments.append(_post(connection, "experiments/create", {"name": name})["experiment_id"])
        for number, value in enumerate((0.5, 2, 2, "NaN", 3, "Infinity", 4, None, "-Infinity", 1.5)):
            run = _post(connection, "runs/create", {"experiment_id": experiments[-1], "start_time": number // 2})["run"]
            metrics = [] if value is None else [{"key": "m", "value": value, "timestamp": 1, "step": 1}]
            params = [{"key": "p", "value": str(number % 2)}]
            _post(connection, "runs/log-batch", {"run_id": run["info"]["run_id"], "metrics": metrics, "params": params})
    assert "missing" in _indexes(uri, "list")
    made = _indexes(uri, "create")
    assert f"{NAMES[0]} is there already" in made and f"made {NAMES[1]}" in made
    assert _own(uri) == set(NAMES)
    assert "missing" not in _indexes(uri, "list")
    assert "made" not in _indexes(uri, "create")
    indexed = _answers(connection, experiments)
    assert [len(ids) for ids in indexed] == [12, 6, 2, 16, 20, 20, 20]

    dropped = _indexes(uri, "drop")
    assert all(f"dropped {name}" in dropped for name in NAMES)
    assert _own(uri) == set()
    assert _answers(connection, experiments) == indexed

    _indexes(uri, "create")
    server.stop()
    server = fleet.start("official", f"indexed-{engine}", uri)
    assert _answers(Connection(server.port), experiments) == indexed
    server.stop()


def test_what_was_cut_off_is_made_anew(fleet: Fleet) -> None:
    uri = fleet.database("postgresql", "cut-off")
    fleet.start("ferroflow", "cut-off", uri).stop()
    _indexes(uri, "create")
    database = sqlalchemy.create_engine(uri)
    with database.begin() as connection:
        # What CREATE INDEX CONCURRENTLY leaves behind when it is ended half-way.
        connection.execute(
            sqlalchemy.text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = CAST(:name AS regclass)"),
            {"name": NAMES[1]},
        )
    assert "not complete" in _indexes(uri, "list")
    assert f"making {NAMES[1]} anew" in _indexes(uri, "create")
    with database.connect() as connection:
        valid = connection.execute(
            sqlalchemy.text("SELECT indisvalid FROM pg_index WHERE indexrelid = CAST(:name AS regclass)"), {"name": NAMES[1]}
        )
        assert valid.scalar_one() is True
    database.dispose()


@pytest.mark.parametrize("command", ["list", "create", "drop"])
def test_a_database_of_another_revision_is_left_alone(command: str, fleet: Fleet) -> None:
    uri = fleet.database("sqlite", f"empty-{command}")
    sqlalchemy.create_engine(uri).connect().close()
    open(uri.removeprefix("sqlite:///"), "ab").close()
    done = subprocess.run(
        [str(ferroflow_binary()), "db", "indexes", command, uri], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 1 and "the database is empty" in done.stderr
