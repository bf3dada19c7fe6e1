"""Programs that run as long as the tests do, each with a log under target/cluster/log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PROGRAMS = REPOSITORY / "target" / "cluster" / "bin"
LOGS = REPOSITORY / "target" / "cluster" / "log"
# In memory, and gone with the namespace (`run`).
STATE = Path("/run/cluster")
_BEGAN = time.monotonic()


class Processes:
    """What was started, to be stopped in the opposite order."""

    def __init__(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path, environment: Mapping[str, str] | None = None, folder: Path = STATE) -> None:
        """Starts a program."""
        with open(LOGS / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, name: str, patience: float = 10.0) -> None:
        """Asks one to end, and insists."""
        process = self._running.pop(name)
        for number in (signal.SIGTERM, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def stop_all(self) -> None:
        """Stops all of them."""
        for name in reversed(list(self._running)):
            self.stop(name)

    def until(self, what: str, check: Callable[[], bool], seconds: float = 60.0) -> None:
        """Waits for something; says which program has ended, if one has, and where the logs are."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if check():
                return
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if ended:
                raise RuntimeError(f"{', '.join(ended)} ended before {what} was there:\n{_end_of(ended[0])}")
            time.sleep(0.2)
        raise RuntimeError(f"{what} was not there after {seconds:.0f} s; the logs are in {LOGS}")


def output(*command: str | Path, given: str | None = None, environment: Mapping[str, str] | None = None, seconds: float = 120.0) -> str:
    """What a command prints; a failure with all that it said, if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        input=(given or "").encode(),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=seconds,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said[-8000:]}")
    return done.stdout.decode(errors="replace")


def succeeds(*command: str | Path) -> bool:
    """Whether a command ends well."""
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 0


def say(text: str) -> None:
    """A line of progress, past pytest's capturing."""
    print(f"[{time.monotonic() - _BEGAN:5.0f} s] {text}", file=sys.__stderr__, flush=True)


def _end_of(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(errors="replace")[-4000:]
