#!/usr/bin/env python3
"""Measures artifacts on Azure Blob Storage: through Ferroflow, through the official server, and straight to the store.

The store is Azurite, the client MLflow's own: the same program sends one file and fetches it again, whole, by each way in turn.

examples:
  bench/transfers.py                      100 MiB, three rounds, some minutes
  bench/transfers.py --mib 10240 --rounds 1
  bench/transfers.py --targets ferroflow

Needs what `make setup` installs (.venv, Azurite) and some six times the size of the file in TMPDIR, which must not be memory:
what a server writes there is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import servers
from azurite import Azurite
from databases import Database
from servers import Server, Target

REPOSITORY = Path(__file__).resolve().parent.parent
PYTHON = REPOSITORY / ".venv" / "bin" / "python"
STRAIGHT = "straight"
WAYS = (STRAIGHT, "ferroflow", "official")
DIRECTIONS = ("up", "down")
SHARE, GROWTH_MIB = 0.85, 64.0
LOOK_EVERY = 0.05


@dataclass
class Transfer:
    """One file in one direction. `grown_mib` and `written_mib` are the server's; `failure` says why there is no rate."""

    way: str
    direction: str
    mib_per_second: float | None
    grown_mib: float | None = None
    written_mib: float | None = None
    failure: str | None = None


class Failed(Exception):
    """The client did not get the file across, and why."""


@dataclass
class Watch:
    """The most memory that a server is seen with, and what it writes, from `begin` to `end`."""

    server: Server
    most_mib: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Looks, from now on."""
        self._before = (self.server.memory_mib(), self.server.written_mib())
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> tuple[float, float]:
        """How much memory it had more than before, and how much it wrote."""
        self._over.set()
        self._thread.join()
        memory, written = self._before
        return max(0.0, self.most_mib - memory), self.server.written_mib() - written

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self.most_mib = max(self.most_mib, self.server.memory_mib())


def main() -> int:
    """Runs what the command line asks for; 1 when a file did not get across but by the official server."""
    options = _options()
    directory = Path(tempfile.mkdtemp(prefix="ferroflow-bench-"))
    store = Azurite(directory / "azurite")
    started: dict[str, Server] = {}
    transfers: list[Transfer] = []
    try:
        file = _file(directory / "file.bin", options.mib)
        for name in options.targets:
            if name != STRAIGHT:
                started[name] = _start(name, options, store, directory)
        about = _about(options, started)
        for number in range(options.rounds):
            for name in options.targets:
                for transfer in _both_ways(name, started.get(name), store, file, options, number):
                    print(transfer, file=sys.stderr, flush=True)
                    transfers.append(transfer)
    finally:
        for server in started.values():
            server.stop()
        store.stop()
        shutil.rmtree(directory)
    output = options.output or REPOSITORY / "bench" / "results" / f"{time.strftime('%Y-%m-%d')}-{_commit()}-transfers"
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps({"about": about, "transfers": [vars(t) for t in transfers]}, indent=1) + "\n")
    text = markdown(about, transfers)
    (output / "results.md").write_text(text)
    print(text)
    print(f"written to {output}")
    return int(any(t.failure for t in transfers if t.way != "official"))


def _options() -> argparse.Namespace:
    summary, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=summary, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=100, help="size of the file (100; the goals are about 10240)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (3)")
    parser.add_argument("--minutes", type=float, default=15, help="after which the client is stopped, for one file in one direction (15)")
    parser.add_argument("--targets", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--ferroflow", default=str(REPOSITORY / "target/release/ferroflow"), metavar="PROGRAM")
    parser.add_argument("--official", default=str(REPOSITORY / ".venv/bin/mlflow"), metavar="PROGRAM")
    parser.add_argument("--output", type=Path, help="directory for the results (bench/results/DATE-COMMIT-transfers)")
    return parser.parse_args()


def _file(path: Path, mib: int) -> Path:
    piece = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(piece)
    return path


def _start(name: str, options: argparse.Namespace, store: Azurite, directory: Path) -> Server:
    own = directory / name
    temporary = own / "tmp"
    temporary.mkdir(parents=True)
    target: Target = {"ferroflow": servers.ferroflow, "official": servers.official}[name](getattr(options, name))
    environment = (*target.environment, *store.settings(), ("TMPDIR", str(temporary)))
    target = Target(target.name, target.command, target.schema, environment, store.uri(name))
    return Server(target, Database(f"sqlite:///{own / 'mlflow.db'}"), own)


def _both_ways(name: str, server: Server | None, store: Azurite, file: Path, options: argparse.Namespace, number: int) -> list[Transfer]:
    """Sends the file, fetches it, and deletes it from the store. What could not be sent is not fetched."""
    if server:
        root = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{number}"
        server.wait_until_quiet()
    else:
        root = f"{store.uri(name)}/{number}"
    done: list[Transfer] = []
    for direction in DIRECTIONS:
        watch = Watch(server) if server else None
        if watch:
            watch.begin()
        rate, failure = None, None
        try:
            rate = options.mib / _client(direction, root, store, file, options.minutes)
        except Failed as error:
            failure = str(error)
        grown, written = watch.end() if watch else (None, None)
        done.append(Transfer(name, direction, rate, grown, written, failure))
        if failure:
            break
    store.clear()
    return done


def _client(direction: str, root: str, store: Azurite, file: Path, minutes: float) -> float:
    environment = {**os.environ, **dict(store.settings()), **servers.QUIET_CLIENT}
    command = [str(PYTHON), str(Path(__file__).with_name("transfer_client.py")), direction, root, str(file)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60 * minutes)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {minutes:g} minutes") from None
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or ["the client failed"])[-1][:300])
    return float(done.stdout)


def _about(options: argparse.Namespace, started: dict[str, Server]) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "load average before": f"{os.getloadavg()[0]:.2f}",
        "size of the file": f"{options.mib:,} MiB",
        "rounds": options.rounds,
        **{name: server.target.version() for name, server in started.items()},
        "Azurite": Azurite.version(),
    }


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def markdown(about: dict[str, Any], transfers: list[Transfer]) -> str:
    """The report for people."""
    facts = "".join(f"- {name}: {value}\n" for name, value in about.items())
    ways = [way for way in ("ferroflow", STRAIGHT, "official") if any(t.way == way for t in transfers)]
    parts = [f"# Transfers of artifacts\n\n{facts}\n## MiB/s, median (min–max)\n"]
    head = ["direction", *ways, "of straight", "× official", "goal"]
    parts += [_row(head), _row(["---"] * len(head))]
    for direction in DIRECTIONS:
        rates = {way: _rates(transfers, way, direction) for way in ways}
        share = _ratio(rates, STRAIGHT)
        goal = "" if share is None else f"{SHARE:.0%} of straight {'✓' if share >= SHARE else '✗'}"
        times = _ratio(rates, "official")
        ratios = ["–" if share is None else f"{share:.0%}", "–" if times is None else f"{times:.2f}"]
        parts.append(_row([direction, *(_median(rates[way]) for way in ways), *ratios, goal]))
    parts.append("\n## The server meanwhile, MiB at the most\n")
    head = ["", "memory grew, up", "memory grew, down", "written to disk, up", "written to disk, down", "goal"]
    parts += [_row(head), _row(["---"] * len(head))]
    for way in (way for way in ways if way != STRAIGHT):
        of_way = [t for t in transfers if t.way == way]
        grown = [max((t.grown_mib or 0.0 for t in of_way if t.direction == d), default=0.0) for d in DIRECTIONS]
        written = [max((t.written_mib or 0.0 for t in of_way if t.direction == d), default=0.0) for d in DIRECTIONS]
        met = max(grown) < GROWTH_MIB and max(written) < 1 and not any(t.failure for t in of_way)
        goal = f"under {GROWTH_MIB:.0f}, and nothing {'✓' if met else '✗'}" if way == "ferroflow" else ""
        parts.append(_row([way, *(f"{value:,.1f}" for value in (*grown, *written)), goal]))
    failures = [f"- {t.way}, {t.direction}: {t.failure}" for t in transfers if t.failure]
    if failures:
        parts += ["\n## Did not get across\n", *failures]
    return "\n".join(parts) + "\n"


def _rates(transfers: list[Transfer], way: str, direction: str) -> list[float]:
    of_way = (t.mib_per_second for t in transfers if (t.way, t.direction) == (way, direction))
    return [rate for rate in of_way if rate is not None]


def _ratio(rates: dict[str, list[float]], other: str) -> float | None:
    if not rates.get("ferroflow") or not rates.get(other):
        return None
    return statistics.median(rates["ferroflow"]) / statistics.median(rates[other])


def _median(values: list[float]) -> str:
    if not values:
        return "–"
    middle = f"{statistics.median(values):,.1f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.1f}–{max(values):,.1f})"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
