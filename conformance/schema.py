"""Reads the schema of a database into plain values that can be compared: per table its columns, constraints, indexes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy import Connection

OWN_PREFIX = "ferroflow_"
SPACE = re.compile(r"\s+")
TABLE_CONSTRAINT = re.compile(r"(CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN)\b", re.IGNORECASE)

SQLITE_TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
SQLITE_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"
SQLITE_OTHERS = "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"

POSTGRES_COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable,
       column_default, is_identity, collation_name
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
"""
POSTGRES_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated, condeferrable
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2
"""
POSTGRES_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
POSTGRES_OTHERS = """
SELECT relkind::text, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('r', 'i')
UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
ORDER BY 1, 2
"""


@dataclass
class Table:
    """A table; columns are in their order, the rest is sorted."""

    columns: list[Any] = field(default_factory=list)
    constraints: list[Any] = field(default_factory=list)
    indexes: list[Any] = field(default_factory=list)


@dataclass
class Schema:
    """All tables by name, everything else by kind and name, and the version that the migrations have reached."""

    tables: dict[str, Table]
    others: list[tuple[str, str]]
    version: str


def is_own_table(name: str) -> bool:
    """Whether Ferroflow has added this table to MLflow's. They come when they are needed, and no comparison looks at them."""
    return name.startswith(OWN_PREFIX)


def read_schema(uri: str, version_table: str = "alembic_version") -> Schema:
    """The schema of the database, and the version that this table has."""
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            is_sqlite = engine.dialect.name == "sqlite"
            tables = _sqlite_tables(connection) if is_sqlite else _postgres_tables(connection)
            tables = {name: table for name, table in tables.items() if not is_own_table(name)}
            others = [tuple(row) for row in _rows(connection, SQLITE_OTHERS if is_sqlite else POSTGRES_OTHERS)]
            (version,) = (row[0] for row in _rows(connection, f"SELECT version_num FROM {version_table}"))
            return Schema(tables, others, version)
    finally:
        engine.dispose()


def _rows(connection: Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(sqlalchemy.text(statement), values)]


def _sqlite_tables(connection: Connection) -> dict[str, Table]:
    return {name: _sqlite_table(connection, name, sql) for name, sql in _rows(connection, SQLITE_TABLES)}


def _sqlite_table(connection: Connection, name: str, sql: str) -> Table:
    # cid, name, type, notnull, default, position in the primary key
    columns = [row[1:] for row in _rows(connection, f'PRAGMA table_info("{name}")')]
    keys = sorted(row[2:] for row in _rows(connection, f'PRAGMA foreign_key_list("{name}")'))
    constraints = sorted(part for part in _definition_parts(sql) if TABLE_CONSTRAINT.match(part))
    named = sorted((index, _plain(text)) for index, text in _rows(connection, SQLITE_INDEXES, table=name))
    automatic = sorted(
        (origin, is_unique, [row[2] for row in _rows(connection, f'PRAGMA index_info("{index}")')])
        for _, index, is_unique, origin, _ in _rows(connection, f'PRAGMA index_list("{name}")')
        if origin != "c"
    )
    return Table(columns, [*constraints, *keys], [*named, *automatic])


def _definition_parts(sql: str) -> list[str]:
    """The columns and constraints between the outer parentheses of CREATE TABLE, without quotes and extra spaces."""
    inner = sql[sql.index("(") + 1 : sql.rindex(")")]
    parts, depth, current = [], 0, ""
    for character in inner:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [_plain(part) for part in [*parts, current]]


def _plain(sql: str) -> str:
    spaced = SPACE.sub(" ", sql.replace('"', "")).strip()
    return re.sub(r" ?([(),]) ?", r"\1", spaced).lower()


def _postgres_tables(connection: Connection) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name, *column in _rows(connection, POSTGRES_COLUMNS):
        tables.setdefault(name, Table()).columns.append(tuple(column))
    for name, *constraint in _rows(connection, POSTGRES_CONSTRAINTS):
        tables[name].constraints.append(tuple(constraint))
    for name, *index in _rows(connection, POSTGRES_INDEXES):
        tables[name].indexes.append(tuple(index))
    return tables
