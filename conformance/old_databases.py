"""Databases as older versions of MLflow left them: made by MLflow's own migrations, and filled by looking at their tables."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, _upgrade_db
from mlflow.store.tracking.dbmodels.initial_models import Base
from sqlalchemy import Column, MetaData, Table

from postgres import Cluster
from schema import is_own_table

ROWS = 3
# What check constraints allow.
ALLOWED = {
    ("runs", "status"): ("FINISHED", "FAILED", "RUNNING"),
    ("runs", "source_type"): ("NOTEBOOK", "LOCAL", "PROJECT"),
    "lifecycle_stage": ("active", "deleted", "active"),
}
Row = dict[str, Any]


def revisions() -> list[str]:
    """MLflow's revisions, the oldest first."""
    script = ScriptDirectory.from_config(_get_alembic_config(""))
    return [revision.revision for revision in script.walk_revisions()][::-1]


class OldDatabases:
    """An empty database at every revision, to be copied."""

    def __init__(self, engine: str, directory: Path, cluster: Cluster) -> None:
        self.engine = engine
        self._directory = directory
        self._cluster = cluster
        self._at: dict[str, str] = {}
        directory.mkdir(parents=True)
        current = self._new("chain")
        database = sqlalchemy.create_engine(current)
        Base.metadata.create_all(database)
        database.dispose()
        self._at["none"] = self.copy(current, "none")
        for revision in revisions():
            with database.begin() as connection:
                config = _get_alembic_config(current)
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
            database.dispose()
            self._at[revision] = self.copy(current, revision)

    def filled(self, revision: str) -> str:
        """A fresh database at this revision, with rows in every table."""
        uri = self.copy(self._at[revision], f"filled_{revision}")
        fill(uri)
        return uri

    def copy(self, uri: str, purpose: str) -> str:
        """A copy, which nobody else uses."""
        if self.engine == "sqlite":
            path = self._directory / f"{purpose}_{len(list(self._directory.iterdir()))}.db"
            shutil.copy(uri.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        return self._cluster.create_database(purpose, template=uri.rsplit("/", 1)[1])

    def _new(self, purpose: str) -> str:
        if self.engine == "sqlite":
            path = self._directory / f"{purpose}.db"
            sqlite3.connect(path).close()
            return f"sqlite:///{path}"
        return self._cluster.create_database(purpose)


def upgrade_by_mlflow(uri: str) -> None:
    """What `mlflow db upgrade` does."""
    database = sqlalchemy.create_engine(uri)
    _upgrade_db(database)
    database.dispose()


def read_rows(uri: str) -> dict[str, list[str]]:
    """All rows of all tables, in an order that does not depend on where they lie."""
    database = sqlalchemy.create_engine(uri)
    with database.connect() as connection:
        names = [name for name in sqlalchemy.inspect(database).get_table_names() if not is_own_table(name)]
        found = {}
        for name in names:
            columns = [column["name"] for column in sqlalchemy.inspect(database).get_columns(name)]
            quoted = ", ".join(f'"{column}"' for column in columns)
            rows = connection.execute(sqlalchemy.text(f'SELECT {quoted} FROM "{name}"'))
            found[name] = sorted(repr(dict(zip(columns, row))) for row in rows)
    database.dispose()
    return found


def fill(uri: str, but: Set[str] = frozenset({"alembic_version"})) -> None:
    """Some rows for every table: nulls, text of many scripts, large numbers, and what the migrations look at."""
    database = sqlalchemy.create_engine(uri)
    metadata = MetaData()
    metadata.reflect(database)
    rows: dict[str, list[Row]] = {}
    with database.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name not in but:
                made = list(_metrics(table, rows)) if table.name == "metrics" else [_row(table, n, rows) for n in range(ROWS)]
                if table.name == "tags":
                    made.append({"key": "mlflow.user", "value": "already here", "run_uuid": rows["runs"][2]["run_uuid"]})
                rows[table.name] = made
                connection.execute(table.insert(), made)
    database.dispose()


def _row(table: Table, n: int, rows: dict[str, list[Row]]) -> Row:
    row: Row = {column.name: _value(table, column, n) for column in table.columns if column.computed is None}
    for key in table.foreign_key_constraints:
        parent = rows[key.referred_table.name][n]
        for element in key.elements:
            row[element.parent.name] = parent[element.column.name]
    return row


def _value(table: Table, column: Column[Any], n: int) -> Any:
    allowed = ALLOWED.get((table.name, column.name)) or ALLOWED.get(column.name)
    if allowed:
        return allowed[n]
    if n == 1 and column.nullable and not column.primary_key:
        return None
    kind = column.type
    if isinstance(kind, sqlalchemy.Boolean):
        return n == 0
    if isinstance(kind, sqlalchemy.BigInteger):
        return 2**62 + n
    if isinstance(kind, sqlalchemy.Integer):
        return 2**31 - 1 - n if column.name != "experiment_id" else n
    if isinstance(kind, sqlalchemy.Float):
        return (0.1, 1.7976931348623157e308, -5e-324)[n]
    if isinstance(kind, sqlalchemy.JSON):
        return {"ключ": [n, None, "ü"]}
    text = f"{n} {column.name} ' \" ü 漢字 \U0001f680 \\ % :x\n"
    # The first row's texts are as long as they may be.
    length = getattr(kind, "length", None)
    if column.name == "user_id":
        # It becomes a tag, and a tag was shorter at that time: MLflow fails on longer ones, as PostgreSQL does.
        length = 250
    return (text * (length // len(text) + 1) if n == 0 and length else text)[:length]


def _metrics(table: Table, rows: dict[str, list[Row]]) -> Iterator[Row]:
    """Points whose latest one is found by step, by time, or by value only; the first run's is not a number."""
    for n, run in enumerate(rows["runs"]):
        for key in ("loss", "größe"):
            for timestamp in (1, 2**53, 2**53 + 1):
                point = {"key": key, "timestamp": timestamp, "run_uuid": run["run_uuid"], "value": timestamp / (n + 3)}
                if "step" not in table.columns:
                    yield point
                    continue
                for step in (-5, 0, 7 if timestamp < 2**53 or n == 2 else 3):
                    for value in (-1.5, 0.1 + n):
                        is_nan = n == 0 and step == 7
                        marks = {"is_nan": is_nan} if "is_nan" in table.columns else {}
                        if not (is_nan and value < 0):
                            yield {**point, "step": step, "value": 0.0 if is_nan else value, **marks}
