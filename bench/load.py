"""Measures one call: wrk drives a server, or the floor program drives a database, for some seconds."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import seed
from calls import Call, Probe
from databases import Database
from plan import Plan
from servers import Server

SCRIPT = Path(__file__).with_name("wrk.lua")
# Answers may be a little shorter than the probe's: numbers have fewer digits, a date another length.
SMALLEST_ANSWER = 0.9


@dataclass
class Sample:
    """One measurement. `problems` is empty when all answers were right and all that was acknowledged is stored."""

    engine: str
    call: str
    connections: int
    target: str
    answers: int
    seconds: float
    per_second: float
    rows: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    acknowledged_rows: int | None = None
    stored_rows: int | None = None
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


class Clock:
    """Gives out the first numbers of measurements: microseconds since the start, so that later ones are larger."""

    def __init__(self) -> None:
        self._began = time.monotonic_ns()

    def number(self) -> int:
        """A number above all that were used: nothing sends a million requests a second."""
        return (time.monotonic_ns() - self._began) // 1000 + 1000


def measure_server(
    server: Server, call: Call, probe: Probe, connections: int, plan: Plan, clock: Clock, raw: Path
) -> Sample:
    """Drives a server with wrk and checks what comes of it."""
    # Slow servers get longer, so that they answer something at all.
    seconds = min(plan.longest, max(plan.seconds, probe.seconds * (connections + 2)))
    whole_seconds = max(1, round(seconds))
    call_file, runs_file = server.directory / "call.txt", server.directory / "runs.txt"
    call_file.write_text(f"{call.method}\n{call.path}\n{call.body}\n")
    before = server.database.count(call.written) if call.written else 0
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole_seconds}s", "--timeout", "60s", "--latency"]
    command += ["-s", str(SCRIPT), server.url, "--", str(call_file), str(runs_file), str(clock.number())]
    done = subprocess.run(command, capture_output=True, text=True)
    with open(raw, "a") as log:
        log.write(f"### {server.target.name} {server.database.engine} {call.name} connections={connections}\n")
        log.write(done.stdout.replace(str(server.directory), "…") + done.stderr + "\n")
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    result = json.loads(line.removeprefix("RESULT "))
    sample = _sample(server, call, connections, result)
    if result["answers"] and result["bytes"] / result["answers"] < probe.size * SMALLEST_ANSWER:
        sample.problems.append(f"answers are too short: {result['bytes'] // result['answers']} bytes, not {probe.size}")
    if call.written:
        sample.acknowledged_rows = (result["answers"] - result["bad_status"]) * call.rows
        sample.stored_rows = server.database.count(call.written) - before
        if sample.stored_rows < sample.acknowledged_rows:
            sample.problems.append(f"{sample.acknowledged_rows} rows acknowledged, {sample.stored_rows} stored")
    return sample


def _sample(server: Server, call: Call, connections: int, result: dict[str, int]) -> Sample:
    seconds = result["microseconds"] / 1e6
    problems = [
        f"{result[name]} {name}"
        for name in ("bad_status", "connect_errors", "read_errors", "write_errors", "timeouts")
        if result[name]
    ]
    if not result["answers"]:
        problems.append("no answer in time")
    return Sample(
        engine=server.database.engine,
        call=call.name,
        connections=connections,
        target=server.target.name,
        answers=result["answers"],
        seconds=round(seconds, 3),
        per_second=round(result["answers"] / seconds, 2),
        rows=call.rows,
        p50_ms=result["p50_us"] / 1e3,
        p95_ms=result["p95_us"] / 1e3,
        p99_ms=result["p99_us"] / 1e3,
        max_ms=result["max_us"] / 1e3,
        problems=problems,
    )


def measure_floor(
    program: Path, database: Database, call: str, rows: int, connections: int, seconds: float, raw: Path
) -> Sample | None:
    """What the database does with the same statements and no server; None where the floor has no such call."""
    uri = str(database.path) if database.engine == "sqlite" else database.uri
    arguments = [uri, call, str(connections), str(seconds), str(seed.WRITTEN_EXPERIMENT)]
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        raise RuntimeError(f"the floor program failed: {done.stderr}")
    with open(raw, "a") as log:
        log.write(f"### floor {database.engine} {call} connections={connections}\n{done.stdout}\n")
    if not done.stdout.strip():
        return None
    result = json.loads(done.stdout)
    return Sample(
        engine=database.engine,
        call=call,
        connections=connections,
        target="floor",
        answers=result["calls"],
        seconds=round(result["seconds"], 3),
        per_second=round(result["calls"] / result["seconds"], 2),
        rows=rows,
    )
