#!/usr/bin/env python3
"""Measures what the web UI asks for when somebody opens an experiment with 10,000 runs: all of it, one call after the other.

The calls are those that MLflow 3.7.0's UI sends in Chromium, but for the look for traces, which Ferroflow does not have yet. The
official server has its default of four workers. What counts is the ratio of the sums of the medians.

examples:
  bench/first_page.py
  bench/first_page.py --runs 100000 --rounds 20 --engines sqlite
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import seed
import servers
from databases import ENGINES, Cluster, Database
from servers import Server

REPOSITORY = Path(__file__).resolve().parent.parent
GOAL = 20.0
API = "/ajax-api/2.0/mlflow"
IDS = [str(seed.LARGE_EXPERIMENT)]
EXPERIMENT = """query MlflowGetExperimentQuery($input: MlflowGetExperimentInput!) @component(name: "MLflow.ExperimentRunTracking") {
  mlflowGetExperiment(input: $input) {
    apiError { code message __typename }
    experiment {
      artifactLocation creationTime experimentId lastUpdateTime lifecycleStage name tags { key value __typename } __typename
    }
    __typename
  }
}"""
CALLS: dict[str, tuple[str, str, object]] = {
    "experiment": ("POST", "/graphql", {"operationName": "MlflowGetExperimentQuery", "variables": {"input": {"experimentId": IDS[0]}}, "query": EXPERIMENT}),
    "is there a run": ("POST", f"{API}/runs/search", {"experiment_ids": IDS, "max_results": 1}),
    "data sets": ("POST", f"{API}/experiments/search-datasets", {"experiment_ids": IDS}),
    "models to try": ("GET", f"{API}/gateway-proxy?gateway_path=api%2F2.0%2Fendpoints%2F", None),
    "logged models": ("POST", f"{API}/logged-models/search", {"experiment_ids": IDS, "order_by": [{"field_name": "creation_time", "ascending": False}]}),
    "newest 100 runs": (
        "POST",
        f"{API}/runs/search",
        {"experiment_ids": IDS, "run_view_type": "ACTIVE_ONLY", "max_results": 100, "order_by": ["attributes.start_time DESC"]},
    ),
}
TARGETS = ("ferroflow", "official")
Times = dict[str, dict[str, list[float]]]


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="runs in the database (10000)")
    parser.add_argument("--rounds", type=int, default=10, help="of which the median counts (10)")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--ferroflow", default=str(REPOSITORY / "target/release/ferroflow"), metavar="PROGRAM")
    parser.add_argument("--official", default=str(REPOSITORY / ".venv/bin/mlflow"), metavar="PROGRAM")
    parser.add_argument("--output", type=Path, required=True, help="file for the report")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="ferroflow-bench-"))
    load = f"{os.getloadavg()[0]:.2f}"
    cluster = Cluster() if "postgresql" in options.engines else None
    text = f"# The first page of an experiment with {options.runs:,} runs\n\n"
    text += f"- date: {time.strftime('%Y-%m-%d %H:%M')}\n- cores: {os.cpu_count()}\n- load average before: {load}\n- rounds: {options.rounds}\n"
    try:
        for engine in options.engines:
            text += _table(engine, _measure(engine, options, directory / engine, cluster))
    finally:
        if cluster:
            cluster.stop()
        shutil.rmtree(directory)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text)
    print(text)
    return 0


def _measure(engine: str, options: argparse.Namespace, directory: Path, cluster: Cluster | None) -> Times:
    directory.mkdir()
    times: Times = {}
    running: dict[str, Server] = {}
    try:
        for name in TARGETS:
            target = {"ferroflow": servers.ferroflow, "official": servers.official}[name](getattr(options, name))
            database = cluster.create(name) if cluster and engine == "postgresql" else Database(f"sqlite:///{directory / name}.db")
            running[name] = Server(target, database, directory / name)
            seed.seed(database, options.runs)
            times[name] = {call: [] for call in CALLS}
        for turn in range(options.rounds + 1):
            for name, server in running.items():
                answers = {call: _ask(server, *CALLS[call]) for call in CALLS}
                if turn:
                    for call, (seconds, _) in answers.items():
                        times[name][call].append(seconds)
                elif len(answers["newest 100 runs"][1]["runs"]) != min(100, seed.large_active(options.runs)):
                    raise RuntimeError(f"{name} found other runs")
    finally:
        for server in running.values():
            server.stop()
    return times


def _ask(server: Server, method: str, path: str, body: object) -> tuple[float, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.connect()
    began = time.perf_counter()
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - began
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{server.target.name}: {method} {path}: {response.status} {content[:200]!r}")
    return seconds, json.loads(content)


def _table(engine: str, times: Times) -> str:
    medians = {name: {call: statistics.median(found) * 1000 for call, found in calls.items()} for name, calls in times.items()}
    lines = [f"\n## {engine}: milliseconds, median\n", "| call | ferroflow | official | × official |", "|---|---|---|---|"]
    for call in CALLS:
        ours, theirs = (medians[name][call] for name in TARGETS)
        lines.append(f"| {call} | {ours:.2f} | {theirs:.1f} | {theirs / ours:.1f} |")
    ours, theirs = (sum(medians[name].values()) for name in TARGETS)
    verdict = "✓" if theirs / ours >= GOAL else "✗"
    lines.append(f"| all | {ours:.2f} | {theirs:.1f} | {theirs / ours:.1f} (goal {GOAL:g} {verdict}) |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
