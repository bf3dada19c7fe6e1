"""Starts and stops the servers under test: the official MLflow server and Ferroflow, on free loopback ports.

Every server has a directory of its own under the session's directory, with its log, its artifacts and (SQLite) its
database, all of which stay after the run for reading.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from http_client import Connection, Request
from ports import free_port
from postgres import Cluster

ENGINES = ("sqlite", "postgresql")
REPOSITORY = Path(__file__).resolve().parent.parent
MLFLOW_WHEEL = REPOSITORY / ".venv" / "wheels" / "mlflow-3.7.0-py3-none-any.whl"
START_TIMEOUT = 90.0
STOP_TIMEOUT = 15.0
QUIET_OFFICIAL = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(Path(__file__).resolve().parent / "official_environment"),
}


@dataclass
class Server:
    """A server process and where it listens. `directory` is its working directory."""

    kind: str
    process: subprocess.Popen[bytes]
    port: int
    directory: Path
    backend_uri: str
    command: list[str] = field(repr=False, default_factory=list)
    environment: dict[str, str] = field(repr=False, default_factory=dict)
    probe: str = "/health"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """What the server has written so far."""
        return (self.directory / "server.log").read_text(errors="replace")

    def stop(self) -> None:
        """Asks the server to end and waits for it; its whole process group is gone afterwards."""
        _signal_group(self.process, signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """Kills the server without warning."""
        _signal_group(self.process, signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT)


def ferroflow_binary() -> Path:
    """The binary under test: `$FERROFLOW_BIN`, or the newest build in `target`."""
    named = os.environ.get("FERROFLOW_BIN")
    candidates = [Path(named)] if named else [REPOSITORY / f"target/{p}/ferroflow" for p in ("release", "debug")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise RuntimeError(f"no Ferroflow binary at {', '.join(map(str, candidates))}: build it, or set FERROFLOW_BIN")


def start_official(
    directory: Path, backend_uri: str, environment: dict[str, str] | None = None, destination: str | None = None
) -> Server:
    """Starts the official server with one worker. Without a destination artifacts go to a folder next to its log."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    return _start("official", command, directory, backend_uri, {**QUIET_OFFICIAL, **(environment or {})}, destination)


def start_ferroflow(
    directory: Path,
    backend_uri: str,
    environment: dict[str, str] | None = None,
    destination: str | None = None,
    *,
    probe: str = "/readyz",
) -> Server:
    """Starts Ferroflow; returns when the probe says yes."""
    command = [str(ferroflow_binary()), "server"]
    return _start("ferroflow", command, directory, backend_uri, environment or {}, destination, probe=probe)


def backend_uri(engine: str, directory: Path, cluster: Cluster, purpose: str) -> str:
    """A fresh, empty database of the engine."""
    if engine == "sqlite":
        directory.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{directory / 'mlflow.db'}"
    return cluster.create_database(purpose)


def _start(
    kind: str,
    command: list[str],
    directory: Path,
    uri: str,
    environment: dict[str, str],
    destination: str | None = None,
    *,
    probe: str = "/health",
) -> Server:
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    artifacts = directory / "artifacts"
    artifacts.mkdir(exist_ok=True)
    full = [
        *command,
        *("--backend-store-uri", uri),
        *("--artifacts-destination", destination or str(artifacts)),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
    ]
    # What the user of this machine has installed is not part of a test.
    environment = {**_inherited_environment(), "FERROFLOW_UI_HOME": str(directory / "no-ui"), **environment}
    server = Server(kind, _spawn(full, directory, environment), port, directory, uri, full, environment, probe)
    _wait_until_ready(server, probe)
    return server


def restart(server: Server) -> None:
    """Starts a server again that has ended, on the same port."""
    server.process = _spawn(server.command, server.directory, server.environment)
    _wait_until_ready(server, server.probe)


def _spawn(command: list[str], directory: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with open(directory / "server.log", "ab") as log:
        return subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _inherited_environment() -> dict[str, str]:
    """The environment without settings that would reach the servers by accident."""
    ours = ("MLFLOW_", "_MLFLOW_", "AZURE_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _wait_until_ready(server: Server, probe: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            if Connection(server.port, timeout=5.0).send(Request("GET", probe)).status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    server.kill()
    raise RuntimeError(f"{' '.join(server.command)} did not become ready:\n{server.log()[-4000:]}")


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
