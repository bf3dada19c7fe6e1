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

    def __init__(self, directory: Path, port: int, log: Path) -> None:
        self.directory = directory
        self.port = port
        self._log = log
        self._count = 0

    def uri(self, database: str) -> str:
        """The backend store URI of a database of this cluster."""
        return f"postgresql://{SERVER_USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, purpose: str, template: str | None = None) -> str:
        """Creates an empty database, or a copy of one, and returns its URI."""
        self._count += 1
        name = f"{purpose}_{self._count}".replace("-", "_")
        copied = f' TEMPLATE "{template}"' if template else ""
        self._execute(f'CREATE DATABASE "{name}"{copied}')
        return self.uri(name)

    def stop(self) -> None:
        """Stops the server and removes its files."""
        _run_as_server_user([_program("pg_ctl"), "-D", str(self.directory / "data"), "-m", "fast", "-w", "stop"])
        shutil.copy(self.directory / "log", self._log)
        shutil.rmtree(self.directory)

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(self.uri("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


def start_cluster(log: Path) -> Cluster:
    """Makes and starts a cluster. `log` becomes a copy of its log when it is stopped."""
    directory = Path(tempfile.mkdtemp(prefix="ferroflow-conformance-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, SERVER_USER)
    data = directory / "data"
    port = free_port()
    _run_as_server_user(
        [_program("initdb"), "-D", str(data), "-U", SERVER_USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
    )
    # Only servers under test are killed here, never PostgreSQL, so it need not wait for the disk.
    options = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync=off"
    _run_as_server_user(
        [_program("pg_ctl"), "-D", str(data), "-o", options, "-l", str(directory / "log"), "-w", "start"]
    )
    return Cluster(directory, port, log)


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
