"""The databases under the servers: SQLite files, and an own PostgreSQL cluster made by initdb.

Nothing here speeds a database up: SQLite syncs as each server asks it to, PostgreSQL runs with its default settings
(fsync and synchronous_commit on). PostgreSQL refuses to run as root, so as root its programs run as `postgres`.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ENGINES = ("sqlite", "postgresql")
SERVER_USER = "postgres"
MISSING = "{} was not found: install PostgreSQL (Debian: postgresql), or leave it out with --engines sqlite"


@dataclass(frozen=True)
class Database:
    """A database by its URI, for what the benchmarks themselves read and write."""

    uri: str

    @property
    def engine(self) -> str:
        """`sqlite` or `postgresql`."""
        return "sqlite" if self.uri.startswith("sqlite:") else "postgresql"

    @property
    def path(self) -> Path:
        """The file of a SQLite database."""
        return Path(self.uri.removeprefix("sqlite:///"))

    def count(self, query: str) -> int:
        """The number that a query answers."""
        if self.engine == "sqlite":
            connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=60)
            try:
                return int(connection.execute(query).fetchone()[0])
            finally:
                connection.close()
        return int(_psql(self.uri, ["-At", "-c", query]))

    def script(self, text: str) -> None:
        """Runs statements in one transaction. SQLite gets an md5() as PostgreSQL has it."""
        if self.engine == "postgresql":
            _psql(self.uri, ["-q", "--single-transaction", "-f", "-"], text)
            return
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        try:
            connection.create_function("md5", 1, _md5, deterministic=True)
            connection.executescript(f"PRAGMA synchronous = off; PRAGMA cache_size = -2000000; BEGIN; {text}; COMMIT;")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def journal(self) -> str:
        """How the database makes a write durable, as far as it can be asked."""
        if self.engine == "sqlite":
            connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=60)
            try:
                return f"journal_mode={connection.execute('PRAGMA journal_mode').fetchone()[0]}"
            finally:
                connection.close()
        values = {name: _psql(self.uri, ["-At", "-c", f"SHOW {name}"]).strip() for name in ("fsync", "synchronous_commit")}
        return ", ".join(f"{name}={value}" for name, value in values.items())


class Cluster:
    """A running PostgreSQL cluster; `create` gives out fresh databases."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ferroflow-bench-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self.directory, SERVER_USER)
        self.port = free_port()
        data = str(self.directory / "data")
        made = ["-D", data, "-U", SERVER_USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
        _as_server_user([program("initdb"), *made])
        options = f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c max_connections=200"
        log = str(self.directory / "log")
        _as_server_user([program("pg_ctl"), "-D", data, "-o", options, "-l", log, "-w", "start"])

    def create(self, name: str) -> Database:
        """A fresh, empty database."""
        _psql(self._uri("postgres"), ["-q", "-c", f'CREATE DATABASE "{name}"'])
        return Database(self._uri(name))

    def version(self) -> str:
        """The version of the server."""
        return _psql(self._uri("postgres"), ["-At", "-c", "SHOW server_version"]).strip()

    def stop(self) -> None:
        """Stops the server and removes its files."""
        _as_server_user([program("pg_ctl"), "-D", str(self.directory / "data"), "-m", "fast", "-w", "stop"])
        shutil.rmtree(self.directory)

    def _uri(self, name: str) -> str:
        return f"postgresql://{SERVER_USER}@127.0.0.1:{self.port}/{name}"


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """A program of PostgreSQL's, from the path or from where Debian hides it."""
    on_path = shutil.which(name)
    candidates = [on_path] if on_path else sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    if not candidates:
        raise RuntimeError(MISSING.format(name))
    return candidates[-1]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _psql(uri: str, arguments: list[str], text: str | None = None) -> str:
    command = [program("psql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", uri, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"psql failed: {done.stderr.strip()}")
    return done.stdout


def _as_server_user(command: list[str]) -> None:
    prefix = ["runuser", "-u", SERVER_USER, "--"] if os.geteuid() == 0 else []
    done = subprocess.run(prefix + command, cwd="/", capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
