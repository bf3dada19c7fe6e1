"""An own PostgreSQL cluster for one test session: made by initdb, on a free loopback port, removed at the end.

PostgreSQL refuses to run as root, so as root its programs run as the user `postgres`.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg2

from ports import free_port

SERVER_USER = "postgres"
MISSING = "PostgreSQL's initdb and pg_ctl were not found; run conformance/setup.sh (they are required, not optional)"


class Cluster:
    """A running cluster; `create_database` gives out fresh databases."""

    def __init__(self, directory: Path, port: int, log: Path, more_options: str) -> None:
        self.directory = directory
        self.port = port
        self._log = log
        self._more_options = more_options
        self._count = 0

    def uri(self, database: str) -> str:
        """The backend store URI of a database of this cluster."""
        return f"postgresql://{SERVER_USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, purpose: str, template: str | None = None) -> str:
        """Creates an empty database, or a copy of one, and returns its URI."""
        self._count += 1
        name = f"{purpose}_{self._count}".replace("-", "_")
        copied = f' TEMPLATE "{template}"' if template else ""
        self.execute(f'CREATE DATABASE "{name}"{copied}')
        return self.uri(name)

    def down(self, mode: str = "fast") -> None:
        """Stops the server, which can be brought up again."""
        _run_as_server_user([_program("pg_ctl"), "-D", str(self.directory / "data"), "-m", mode, "-w", "stop"])

    def up(self) -> None:
        """Starts the server; returns when it takes connections."""
        # Only servers under test are killed here, never PostgreSQL's machine, so it need not wait for the disk.
        options = f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync=off {self._more_options}"
        data, log = str(self.directory / "data"), str(self.directory / "log")
        _run_as_server_user([_program("pg_ctl"), "-D", data, "-o", options, "-l", log, "-w", "start"])

    def follow(self, log: Path) -> Cluster:
        """Makes and starts a standby of this cluster."""
        standby = Cluster(_new_directory(), free_port(), log, self._more_options)
        source = ("-h", "127.0.0.1", "-p", str(self.port), "-U", SERVER_USER, "-c", "fast", "-X", "stream", "-R")
        _run_as_server_user([_program("pg_basebackup"), "-D", str(standby.directory / "data"), *source])
        standby.up()
        return standby

    def promote(self) -> None:
        """Makes a standby a primary; returns when it is one."""
        _run_as_server_user([_program("pg_ctl"), "-D", str(self.directory / "data"), "-w", "promote"])

    def postmaster(self) -> int:
        """The process that takes connections."""
        return int((self.directory / "data" / "postmaster.pid").read_text().split()[0])

    def terminate_backends(self, uri: str) -> int:
        """Ends all connections to the database of this URI, and answers how many there were."""
        connection = psycopg2.connect(self.uri("postgres"))
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s", (uri.rsplit("/", 1)[1],)
                )
                (count,) = cursor.fetchone()
                return int(count)
        finally:
            connection.close()

    def stop(self) -> None:
        """Stops the server and removes its files."""
        self.down()
        shutil.copy(self.directory / "log", self._log)
        shutil.rmtree(self.directory)

    def execute(self, statement: str) -> None:
        connection = psycopg2.connect(self.uri("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


def start_cluster(log: Path, more_options: str = "", files: dict[str, bytes] | None = None) -> Cluster:
    """Makes and starts a cluster. `log` becomes a copy of its log when it is stopped; `files` are put into its folder."""
    directory = _new_directory()
    data = directory / "data"
    port = free_port()
    _run_as_server_user(
        [_program("initdb"), "-D", str(data), "-U", SERVER_USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
    )
    for name, content in (files or {}).items():
        path = data / name
        path.write_bytes(content)
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, SERVER_USER)
    cluster = Cluster(directory, port, log, more_options)
    cluster.up()
    return cluster


def _new_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="ferroflow-conformance-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, SERVER_USER)
    return directory


def _program(name: str) -> str:
    on_path = shutil.which(name)
    candidates = [on_path] if on_path else sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    if not candidates:
        raise RuntimeError(MISSING)
    return candidates[-1]


def _run_as_server_user(command: list[str]) -> None:
    prefix = ["runuser", "-u", SERVER_USER, "--"] if os.geteuid() == 0 else []
    done = subprocess.run(prefix + command, cwd="/", capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
