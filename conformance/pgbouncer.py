"""PgBouncer in transaction mode before a cluster: every transaction may get another session of the database."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from ports import free_port
from postgres import SERVER_USER, Cluster

MISSING = "pgbouncer was not found; run conformance/setup.sh (it is required, not optional)"


class PgBouncer:
    """A running PgBouncer."""

    def __init__(self, cluster: Cluster, *, sessions: int, more: str = "") -> None:
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(program).is_file():
            raise RuntimeError(MISSING)
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="ferroflow-conformance-pgbouncer-"))
        users = self._directory / "users.txt"
        users.write_text(f'"{SERVER_USER}" ""\n')
        configuration = self._directory / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host=127.0.0.1 port={cluster.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = any\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = {sessions}\n"
            f"server_round_robin = 1\nserver_tls_sslmode = disable\n{more}\n"
        )
        # `any` logs everyone in as one user, who has to be named.
        configuration.write_text(configuration.read_text().replace("* = ", f"* = user={SERVER_USER} "))
        prefix = []
        if os.geteuid() == 0:
            for path in (self._directory, users, configuration):
                shutil.chown(path, SERVER_USER)
            prefix = ["runuser", "-u", SERVER_USER, "--"]
        self._log = open(self._directory / "log", "wb")
        self._process = subprocess.Popen(
            [*prefix, program, str(configuration)], cwd="/", stdout=self._log, stderr=subprocess.STDOUT
        )
        self._wait()

    def uri(self, database_uri: str) -> str:
        """The same database through PgBouncer."""
        return f"postgresql://{SERVER_USER}@127.0.0.1:{self.port}/{database_uri.rsplit('/', 1)[1]}"

    def stop(self) -> None:
        """Ends it and removes its files."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
        shutil.rmtree(self._directory)

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"pgbouncer did not start:\n{(self._directory / 'log').read_text()}")
