#!/usr/bin/env python3
"""Fills a database with runs by SQL, in the database itself, which is how 1,000,000 runs take minutes, not hours.

The schema must be there: made by Ferroflow or by MLflow (or, for the comparison, by FastTrackML, whose tables differ a
little). One text serves SQLite and PostgreSQL. What comes out:

* 8 experiments; `bench-large` (id 1) holds nine tenths of the runs, the others share the rest;
* each run has 8 params, 5 tags, 5 latest metrics and a point for each; one in 100 has 100 points of one metric more;
  one in 50 is deleted;
* experiment `bench-written` (id 90) with 200 bare runs for the write benchmarks;
* the model registry of `seed_registry.py`;
* runs with a history of 2,000, of 100,000 and, with --long, of 1,000,000 points of `m0`, which all runs have.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from dataclasses import dataclass

import seed_registry
from databases import Database

LARGE_EXPERIMENT = 1
WRITTEN_EXPERIMENT = 90
WRITTEN_RUNS = 200
HISTORY_KEY = "m0"
HISTORIES = (2_000, 100_000)
LONG_HISTORY = 1_000_000


@dataclass(frozen=True)
class Schema:
    """Where the tables of a target differ from MLflow's: columns added, and the values they get."""

    experiment: tuple[str, str] = ("", "")
    run: tuple[str, str] = ("", "")
    point: tuple[str, str] = ("", "")
    latest: tuple[str, str] = ("", "")
    param_value: str = "value"
    before: str = ""


MLFLOW = Schema()
FASTTRACKML = Schema(
    experiment=(", namespace_id", ", 1"),
    run=(", row_num", ", i"),
    point=(", iter, context_id", ", step, 1"),
    latest=(", last_iter, context_id", ", step, 1"),
    param_value="value_str",
    before="INSERT INTO contexts (id, json) VALUES (1, '{}') ON CONFLICT DO NOTHING;",
)


def written_run_ids() -> list[str]:
    """The runs that the write benchmarks log to."""
    return [hashlib.md5(f"write{i}".encode(), usedforsecurity=False).hexdigest() for i in range(WRITTEN_RUNS)]


def history_run_id(points: int) -> str:
    """The run with a history of so many points."""
    return hashlib.md5(f"history{points}".encode(), usedforsecurity=False).hexdigest()


def large_run_ids(runs: int, wanted: int) -> list[str]:
    """Some of the active runs of the large experiment, for reading them one by one."""
    numbers = [i for i in range(runs) if i % 10 and i % 50 != 49]
    chosen = numbers[:: max(1, len(numbers) // wanted)][:wanted]
    return [hashlib.md5(f"run{i}".encode(), usedforsecurity=False).hexdigest() for i in chosen]


def large_active(runs: int) -> int:
    """How many active runs the large experiment has."""
    return sum(1 for i in range(runs) if i % 10 and i % 50 != 49)


def large_matching(runs: int) -> int:
    """How many of those have a metric m0 above 0.9 and 3 for the param p0."""
    return sum(1 for i in range(3, runs, 10) if i % 50 != 49 and i * 7919 % 100003 / 100003 > 0.9)


def seed(database: Database, runs: int, long_history: bool = False, schema: Schema = MLFLOW) -> None:
    """Fills a fresh database whose schema is there."""
    histories = (*HISTORIES, LONG_HISTORY) if long_history else HISTORIES
    parts = [schema.before, _experiments(schema), _runs(runs, schema), _run_data(runs, schema), _written(schema)]
    parts += [_history(count, schema) for count in histories]
    if schema is MLFLOW:
        parts.append(seed_registry.statements(_upto(seed_registry.MODELS, "i")))
    if database.engine == "postgresql":
        # Every row that is made here has its parent; checking a million of them takes longer than writing them.
        parts.insert(0, "SET session_replication_role = replica;")
        parts += ["SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), 100);", "ANALYZE;"]
    database.script("\n".join(parts))


def _upto(count: int, name: str = "k") -> str:
    """A query of the numbers from 0 to below `count`."""
    return f"""
        WITH RECURSIVE numbers ({name}) AS (
            SELECT CAST(0 AS BIGINT) UNION ALL SELECT {name} + 1 FROM numbers WHERE {name} < {count - 1}
        ) SELECT {name} FROM numbers"""


def _experiments(schema: Schema) -> str:
    columns, values = schema.experiment
    names = {LARGE_EXPERIMENT: "bench-large", WRITTEN_EXPERIMENT: "bench-written"}
    names |= {number: f"bench-{number}" for number in range(2, 9)}
    rows = ", ".join(
        f"({number}, '{name}', 'mlflow-artifacts:/{number}', 'active', 1690000000000, 1690000000000{values})"
        for number, name in names.items()
    )
    return f"""
        INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,
                                 last_update_time{columns})
        VALUES {rows};"""


def _insert_runs(source: str, schema: Schema) -> str:
    """`source` answers i, run_uuid, experiment_id."""
    columns, values = schema.run
    return f"""
        INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
                          source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time{columns})
        SELECT run_uuid, 'careful-run-' || i, 'UNKNOWN', '', '', 'user' || (i % 20),
               CASE WHEN i % 25 = 0 THEN 'FAILED' ELSE 'FINISHED' END,
               1700000000000 + i * 60000, 1700000000000 + i * 60000 + 3000, '',
               CASE WHEN i % 50 = 49 THEN 'deleted' ELSE 'active' END,
               'mlflow-artifacts:/' || experiment_id || '/' || run_uuid || '/artifacts', experiment_id,
               CASE WHEN i % 50 = 49 THEN 1700000000000 + i * 60000 + 4000 END{values}
        FROM {source};"""


def _runs(runs: int, schema: Schema) -> str:
    return f"""
        CREATE TEMPORARY TABLE seeded AS
        SELECT i, md5('run' || i) AS run_uuid,
               CASE WHEN i % 10 = 0 THEN 2 + i / 10 % 7 ELSE {LARGE_EXPERIMENT} END AS experiment_id
        FROM ({_upto(runs, "i")}) AS n;
        {_insert_runs("seeded", schema)}"""


def _run_data(runs: int, schema: Schema) -> str:
    insert_points = f"INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid{schema.point[0]})"
    insert_latest = f"INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid{schema.latest[0]})"
    value = "((i * 7919 + k * 104729) % 100003) / 100003.0"
    last_point = f"'m' || k, {value}, 1700000000000 + i * 60000 + 100, step, false, run_uuid"
    each_metric = f"FROM seeded CROSS JOIN ({_upto(5)}) AS n CROSS JOIN (SELECT 100 AS step) AS last"
    tags = {
        "mlflow.runName": "'careful-run-' || i",
        "mlflow.user": "'user' || (i % 20)",
        "mlflow.source.name": "'train.py'",
        "mlflow.source.type": "'LOCAL'",
        "team": "'team' || (i % 7)",
    }
    insert_tags = "\n".join(
        f"INSERT INTO tags (key, value, run_uuid) SELECT '{key}', {text}, run_uuid FROM seeded;" for key, text in tags.items()
    )
    return f"""
        INSERT INTO params (key, {schema.param_value}, run_uuid)
        SELECT 'p' || k, CASE WHEN k = 0 THEN '' || (i % 10) ELSE '0.' || (i * k * 7919 % 1000) END, run_uuid
        FROM seeded CROSS JOIN ({_upto(8)}) AS n;
        {insert_tags}
        {insert_points} SELECT {last_point}{schema.point[1]} {each_metric};
        {insert_latest} SELECT {last_point}{schema.latest[1]} {each_metric};
        {insert_points}
        SELECT 'm0', step / 100.0, 1700000000000 + i * 60000 + step, step, false, run_uuid{schema.point[1]}
        FROM seeded CROSS JOIN (SELECT k AS step FROM ({_upto(100)}) AS n) AS steps
        WHERE i % 100 = 1;"""


def _written(schema: Schema) -> str:
    source = f"""
        (SELECT k * 50 AS i, md5('write' || k) AS run_uuid, {WRITTEN_EXPERIMENT} AS experiment_id
         FROM ({_upto(WRITTEN_RUNS)}) AS n) AS bare"""
    return _insert_runs(source, schema)


def _history(count: int, schema: Schema) -> str:
    """One run with a long history, of a metric that all runs have."""
    run = history_run_id(count)
    last = f"SELECT '{HISTORY_KEY}', 1.0 / (step + 1), 1700000000000 + step * 100, step, false, '{run}'"
    return f"""
        {_insert_runs(f"(SELECT 50 AS i, '{run}' AS run_uuid, 2 AS experiment_id) AS one", schema)}
        INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid{schema.point[0]})
        {last}{schema.point[1]} FROM ({_upto(count, "step")}) AS n;
        INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid{schema.latest[0]})
        {last}{schema.latest[1]} FROM (SELECT {count - 1} AS step) AS n;"""


def main() -> None:
    """Seeds the database named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("uri", help="sqlite:////absolute/path.db or postgresql://user@host:port/name; the schema must be there")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--long", action="store_true", help="add a history of 1,000,000 points")
    options = parser.parse_args()
    began = time.monotonic()
    seed(Database(options.uri), options.runs, options.long)
    print(f"{options.runs:,} runs in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
