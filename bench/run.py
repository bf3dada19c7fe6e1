#!/usr/bin/env python3
"""Measures Ferroflow beside the official MLflow server, FastTrackML and the bare database.

examples:
  bench/run.py --quick                              the short run, at most 12 minutes on two quiet cores
  bench/run.py                                      the long run, over an hour
  bench/run.py --targets ferroflow --engines sqlite --calls log-metric get-run --connections 16
  bench/run.py --runs 100000 --calls search-newest-100 search-filtered search-page-1 search-page-1000
  bench/run.py --runs 1000000 --indexes --targets ferroflow --calls search-newest-100 search-filtered search-page-1
  bench/run.py --list                               the names of the calls

Programs: Ferroflow and the floor from target/release (see the README), `mlflow` from .venv or the path, `fml` from
.venv-fasttrackml or the path; others with --ferroflow, --floor, --official, --fasttrackml. wrk and PostgreSQL come from
the system's packages. A target whose program is missing is left out, and the report says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import calls as calls_
import report
import servers
from databases import ENGINES, Cluster
from plan import Plan
from rounds import Engine, progress
from servers import Target

REPOSITORY = Path(__file__).resolve().parent.parent
TARGETS = ("ferroflow", "floor", "official", "fasttrackml")
# The first take minutes on the official server, the others are like calls that stay.
NOT_QUICK = ("chart-1000000", "search-page-1000", "log-batch-10", "log-parameter")


def main() -> int:
    """Runs what the command line asks for; 1 when a measurement failed."""
    options = _options()
    known = calls_.all_calls(options.runs)
    if options.list:
        print("\n".join(call.name for call in known))
        return 0
    plan = _plan(options, known)
    targets, floor, missing = _programs(options)
    if shutil.which("wrk") is None:
        sys.exit("wrk was not found: install it (Debian: wrk)")
    if not targets:
        sys.exit(f"no server to measure: {missing}")
    directory = Path(tempfile.mkdtemp(prefix="ferroflow-bench-"))
    output = _output_directory(options.output)
    cluster = Cluster() if "postgresql" in plan.engines else None
    try:
        results = report.Results(_about(plan, targets, directory, cluster), skipped=missing)
        for engine in plan.engines:
            Engine(engine, plan, targets, floor, directory, cluster, results, output / "raw.txt").run()
            report.write(results, output)
    finally:
        if cluster:
            cluster.stop()
        if not options.keep:
            shutil.rmtree(directory)
    progress("")
    print(report.markdown(results))
    print(f"written to {output}")
    return 1 if results.failed() else 0


def _options() -> argparse.Namespace:
    summary, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, 1 for other servers; leaves out four calls")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--calls", nargs="+", metavar="CALL", help="all of them by default; see --list")
    parser.add_argument("--list", action="store_true", help="print the names of the calls")
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 16], metavar="N")
    parser.add_argument("--seconds", type=float, help="of one measurement (3)")
    parser.add_argument("--rounds", type=int, help="measurements of each call, of which the median counts (5)")
    parser.add_argument("--runs", type=int, default=500, help="runs in the database (500)")
    parser.add_argument("--indexes", action="store_true", help="give Ferroflow all of its indexes: db indexes create")
    parser.add_argument("--ferroflow", default=str(REPOSITORY / "target/release/ferroflow"), metavar="PROGRAM")
    parser.add_argument("--floor", default=str(REPOSITORY / "target/release/examples/floor"), metavar="PROGRAM")
    parser.add_argument("--official", default=_installed("mlflow", ".venv"), metavar="PROGRAM")
    parser.add_argument("--fasttrackml", default=_installed("fml", ".venv-fasttrackml"), metavar="PROGRAM")
    parser.add_argument("--output", type=Path, help="directory for the results (bench/results/DATE-COMMIT)")
    parser.add_argument("--keep", action="store_true", help="keep the servers' directories: databases and logs")
    return parser.parse_args()


def _installed(name: str, environment: str) -> str:
    """The program of a virtual environment in the repository if that is there, else the one on the path."""
    program = REPOSITORY / environment / "bin" / name
    return str(program) if program.exists() else name


def _plan(options: argparse.Namespace, known: list[calls_.Call]) -> Plan:
    names = options.calls or [call.name for call in known if not (options.quick and call.name in NOT_QUICK)]
    unknown = set(names) - {call.name for call in known}
    if unknown:
        sys.exit(f"no such call with {options.runs:,} runs: {', '.join(sorted(unknown))}; see --list")
    rounds = options.rounds or (3 if options.quick else 5)
    return Plan(
        engines=list(options.engines),
        calls=[call for call in known if call.name in names],
        connections=list(options.connections),
        rounds=rounds,
        other_rounds=1 if options.quick else min(rounds, 3),
        seconds=options.seconds or (1.0 if options.quick else 3.0),
        longest=10.0 if options.quick else 60.0,
        runs=options.runs,
        cold_starts=20,
        other_cold_starts=2 if options.quick else 5,
        long_history="chart-1000000" in names,
        indexes=options.indexes,
    )


def _programs(options: argparse.Namespace) -> tuple[list[Target], Path | None, dict[str, str]]:
    found, missing = [], {}
    floor = None
    makers = {"ferroflow": servers.ferroflow, "official": servers.official, "fasttrackml": servers.fasttrackml}
    for name in options.targets:
        given = getattr(options, name)
        program = shutil.which(given)
        if program is None:
            missing[name] = f"{Path(given).name} was not found"
        elif name == "floor":
            floor = Path(program).resolve()
        else:
            # Not resolved: a program in a virtual environment is a link, and finds its packages by the link's place.
            found.append(makers[name](os.path.abspath(program)))
    return found, floor, missing


def _output_directory(given: Path | None) -> Path:
    directory = given or REPOSITORY / "bench" / "results" / f"{time.strftime('%Y-%m-%d')}-{_commit()}"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "raw.txt").write_text("")
    return directory


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _about(plan: Plan, targets: list[Target], directory: Path, cluster: Cluster | None) -> dict[str, object]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", str(directory)], capture_output=True, text=True)
    about: dict[str, object] = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "memory": f"{pages / 2**30:.0f} GiB",
        "load average before": f"{os.getloadavg()[0]:.2f}",
        "file system": filesystem.stdout.strip(),
        "runs in the database": plan.runs,
        "indexes of Ferroflow": "all of them" if plan.indexes else "those of a fresh database",
        "rounds": f"{plan.rounds}, {plan.other_rounds} of the other servers",
        "seconds": f"{plan.seconds:g} each, longer for slow calls",
    }
    about |= {target.name: target.version() for target in targets}
    if cluster:
        about["PostgreSQL"] = cluster.version()
    return about


if __name__ == "__main__":
    sys.exit(main())
