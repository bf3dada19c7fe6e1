"""The tables of users and permissions: `ferroflow db upgrade` makes of them what MLflow's own migrations make, to the row."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy
from mlflow.server.auth.db.models import Base
from mlflow.server.auth.db.utils import migrate

from fleet import Fleet
from old_databases import fill, read_rows
from schema import read_schema
from servers import ferroflow_binary, start_ferroflow

FIRST, HEAD = "8606fa83a998", "0965eb92f5f0"
# Before MLflow 3.6 there were tables, and no revision.
STARTS = ("legacy", FIRST, HEAD)
AUTH_TABLES = {"users", "experiment_permissions", "registered_model_permissions", "scorer_permissions", "alembic_version_auth"}


def _run(*arguments: str, code: int = 0) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}
    done = subprocess.run([ferroflow_binary(), *arguments], env=clean, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def _filled(uri: str, start: str) -> None:
    """Tables at this revision, with rows."""
    database = sqlalchemy.create_engine(uri)
    if start == "legacy":
        Base.metadata.create_all(database)
        Base.metadata.tables["scorer_permissions"].drop(database)
    else:
        migrate(database, start)
    database.dispose()
    fill(uri, but={"alembic_version_auth"})


def _upgrade_by_mlflow(uri: str) -> None:
    database = sqlalchemy.create_engine(uri)
    # The first time it only gives a legacy database its revision.
    migrate(database, "head")
    migrate(database, "head")
    database.dispose()


def _two(engine: str, fleet: Fleet, name: str) -> tuple[str, str]:
    """Two databases alike."""
    uris = [fleet.database(engine, f"auth_{name}_{side}") for side in ("ours", "theirs")]
    return uris[0], uris[1]


def _assert_same(uri: str, official: str) -> None:
    own, theirs = (read_schema(uri, "alembic_version_auth") for uri in (uri, official))
    assert own.version == theirs.version == HEAD
    assert (own.tables, own.others) == (theirs.tables, theirs.others)
    assert read_rows(uri) == read_rows(official)


@pytest.mark.parametrize("start", STARTS)
def test_every_revision(engine: str, fleet: Fleet, start: str) -> None:
    uri, official = _two(engine, fleet, start)
    for one in (uri, official):
        _filled(one, start)
    _upgrade_by_mlflow(official)
    refused = _run("db", "check", uri, code=0 if start == HEAD else 1)
    assert start == HEAD or ("users and permissions" in refused and HEAD in refused and "ferroflow db upgrade" in refused)
    said = _run("db", "upgrade", uri)
    assert said.count("database migration of users and permissions") == (start != HEAD), said
    _assert_same(uri, official)
    assert "nothing to do" in _run("db", "upgrade", uri)
    assert f"users and permissions: revision {HEAD}\n  up to date" in _run("db", "status", uri)
    _run("db", "check", uri)


def test_tables_that_are_asked_for(engine: str, fleet: Fleet) -> None:
    uri, official = _two(engine, fleet, "asked")
    _upgrade_by_mlflow(official)
    if engine == "sqlite":
        Path(uri.removeprefix("sqlite:///")).touch()
    assert "the database is empty" in _run("db", "check", uri, code=1)
    plan = _run("db", "upgrade", "--auth", "--plan", uri)
    assert "scorer_permissions" in plan and "Step 2 of 2" in plan
    _run("db", "upgrade", "--auth", uri)
    _assert_same(uri, official)


def test_both_in_one_database(engine: str, fleet: Fleet, tmp_path: Path) -> None:
    """The server leaves users alone, whichever tables were there first; the upgrade takes both."""
    uri = fleet.database(engine, "auth_both")
    _filled(uri, FIRST)
    users = {name: rows for name, rows in read_rows(uri).items() if name in AUTH_TABLES}
    start_ferroflow(tmp_path, uri).stop()
    rows = read_rows(uri)
    assert {name: rows[name] for name in rows if name in AUTH_TABLES} == users
    _change(uri, "DROP TABLE jobs", "UPDATE alembic_version SET version_num = '3da73c924c2f'")
    start_ferroflow(tmp_path, uri).stop()
    assert read_rows(uri)["alembic_version_auth"] == users["alembic_version_auth"]
    _change(uri, "DROP TABLE jobs", "UPDATE alembic_version SET version_num = '3da73c924c2f'")
    status = _run("db", "status", uri)
    assert "1 steps to bf29a5ff90ea" in status and f"1 steps to {HEAD}" in status
    said = _run("db", "upgrade", uri)
    assert "database migration from 3da73c924c2f" in said and f"users and permissions from {FIRST}" in said
    assert "up to date" in _run("db", "status", uri)
    _run("db", "check", uri)


def test_newer_tables_are_refused(engine: str, fleet: Fleet) -> None:
    uri = fleet.database(engine, "auth_newer")
    _filled(uri, HEAD)
    _change(uri, "UPDATE alembic_version_auth SET version_num = '0123456789ab'")
    for command in ("upgrade", "status", "check"):
        refused = _run("db", command, uri, code=1)
        assert "users and permissions are at" in refused and "0123456789ab" in refused and HEAD in refused


def _change(uri: str, *statements: str) -> None:
    path = uri.removeprefix("sqlite:///")
    database = sqlite3.connect(path) if path != uri else psycopg2.connect(uri)
    for statement in statements:
        database.cursor().execute(statement)
    database.commit()
    database.close()
