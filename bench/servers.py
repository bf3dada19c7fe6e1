"""Starts and stops the servers that are compared, and looks at their processes: memory and cold start."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from databases import Database, free_port
from seed import FASTTRACKML, MLFLOW, Schema

START_TIMEOUT = 120.0
QUIET_TIMEOUT = 30.0
QUIET_WINDOW = 0.1
QUIET_CLIENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
OFFICIAL = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}


@dataclass(frozen=True)
class Target:
    """A server program. `command` starts it."""

    name: str
    command: tuple[str, ...]
    schema: Schema = MLFLOW
    environment: tuple[tuple[str, str], ...] = ()
    destination: str | None = None

    def arguments(self, database: Database, directory: Path, port: int) -> list[str]:
        """The whole command line."""
        if self.schema is FASTTRACKML:
            uri = f"sqlite://{database.path}" if database.engine == "sqlite" else database.uri
            root = str(directory / "artifacts")
            where = ["--database-uri", uri, "--default-artifact-root", root, "--listen-address", f"127.0.0.1:{port}"]
            return [*self.command, "server", *where]
        artifacts = self.destination or str(directory / "artifacts")
        where = ["--backend-store-uri", database.uri, "--artifacts-destination", artifacts]
        return [*self.command, "server", *where, "--host", "127.0.0.1", "--port", str(port)]

    def version(self) -> str:
        """What the program says of itself."""
        done = subprocess.run([*self.command, "--version"], capture_output=True, text=True, timeout=60)
        return (done.stdout or done.stderr).strip().splitlines()[-1]


class Server:
    """A running server."""

    def __init__(self, target: Target, database: Database, directory: Path) -> None:
        self.target = target
        self.database = database
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "_MLFLOW_", "FML_"))}
        began = time.perf_counter()
        with open(directory / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                target.arguments(database, directory, self.port),
                cwd=directory,
                env={**inherited, **dict(target.environment)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait()
        self.seconds_to_start = time.perf_counter() - began

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def memory_mib(self) -> float:
        """The proportional set size of the process and all below it: shared pages are counted once."""
        return sum(_pss_kib(pid) for pid in _tree(self.process.pid)) / 1024

    def written_mib(self) -> float:
        """What the process and all below it have written to files on disks so far."""
        return sum(_written(pid) for pid in _tree(self.process.pid)) / 2**20

    def wait_until_quiet(self) -> None:
        """Waits, for a while, until the server has done what it was asked: some go on when the asker has left."""
        deadline = time.monotonic() + QUIET_TIMEOUT
        while time.monotonic() < deadline:
            before = self._cpu_seconds()
            time.sleep(QUIET_WINDOW)
            if self._cpu_seconds() - before < QUIET_WINDOW / 4:
                return

    def _cpu_seconds(self) -> float:
        return sum(_cpu_ticks(pid) for pid in _tree(self.process.pid)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends the server and waits until its whole process group is gone."""
        for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.0005)
        self.stop()
        log = (self.directory / "server.log").read_text(errors="replace")
        raise RuntimeError(f"{self.target.name} did not answer /health:\n{log[-3000:]}")


def cold_starts(target: Target, database: Database, directory: Path, times: int) -> list[float]:
    """Seconds from exec to the first 200 of /health, on a database that is there."""
    measured = []
    for _ in range(times):
        server = Server(target, database, directory)
        measured.append(server.seconds_to_start)
        server.stop()
    return measured


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields behind the name of the program, which is in brackets and may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _cpu_ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _written(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def official(program: str) -> Target:
    """The official server with its default of four workers."""
    return Target("official", (program,), environment=tuple(OFFICIAL.items()))


def ferroflow(program: str) -> Target:
    """Ferroflow."""
    return Target("ferroflow", (program,))


def fasttrackml(program: str) -> Target:
    """FastTrackML."""
    return Target("fasttrackml", (program,), FASTTRACKML)
