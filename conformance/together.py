"""Clients that write to the same experiments and runs through several servers of one database, and what must be there then.

Every client knows what was acknowledged to it. Values are used once, so that what is lost or doubled shows.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from http_client import Answer, Connection, Request

API = "/api/2.0/mlflow/"
RUNS = 3
SHARED_KEYS = [f"k{number:02}" for number in range(8)]
# What a server may answer besides 200: (port, answer) -> whether the client tries again.
Forgives = Callable[[int, Answer], bool]
Point = tuple[str, str, int]


class Refused(Exception):
    """A server answered what it must not."""


@dataclass
class Job:
    """What the clients share: the runs they all write to, and one that is deleted and restored meanwhile."""

    experiment: str
    runs: list[str]
    doomed: str
    steps: Iterator[int] = field(default_factory=lambda: itertools.count(1_000))
    forgiven: Counter[str] = field(default_factory=Counter)


@dataclass
class Client:
    """One thread. It talks to each of `ports` in an order of its own."""

    number: int
    ports: list[int]
    job: Job
    forgives: Forgives
    sent: set[Point] = field(default_factory=set)
    acknowledged: set[Point] = field(default_factory=set)
    params: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[tuple[str, str], str | None] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    stages: dict[str, str] = field(default_factory=dict)
    turns: int = 0

    def work(self, stop: threading.Event) -> None:
        """Writes until told to stop, and leaves no turn half done."""
        shuffled = random.Random(self.number)
        connections = [Connection(port) for port in self.ports]
        try:
            while not stop.is_set():
                for kind in (self._batch, self._metric, self._tag, self._untag, self._create, self._rest, self._doom):
                    kind(shuffled, connections)
                self.turns += 1
        finally:
            for connection in connections:
                connection.close()

    def _call(self, shuffled: random.Random, connections: list[Connection], route: str, body: dict[str, Any]) -> Answer:
        """Sends until there is an answer that is not to be forgiven."""
        for tries in range(100):
            connection = shuffled.choice(connections)
            answer = connection.send(Request("POST", API + route, body=body))
            # A tag that is gone by the second try may be gone by the first.
            if answer.status == 200 or (tries and route.endswith("delete-tag") and answer.status == 404):
                return answer
            if not self.forgives(connection.port, answer):
                raise Refused(f"{route} on {connection.port}: {answer.status} {answer.body!r}")
            self.job.forgiven[f"{connection.port} {route} {answer.status}"] += 1
        raise Refused(f"{route} is never done")

    def _points(self, run: str, keys: list[str]) -> list[dict[str, Any]]:
        """New points, of steps that rise over all clients."""
        steps = [next(self.job.steps) for _ in keys]
        self.sent |= {(run, key, step) for key, step in zip(keys, steps)}
        return [{"key": key, "value": float(step), "timestamp": step, "step": step} for key, step in zip(keys, steps)]

    def _done(self, run: str, points: list[dict[str, Any]]) -> None:
        self.acknowledged |= {(run, point["key"], point["step"]) for point in points}

    def _batch(self, shuffled: random.Random, connections: list[Connection]) -> None:
        run = shuffled.choice(self.job.runs)
        keys = shuffled.sample(SHARED_KEYS, 5)
        points = self._points(run, keys)
        # What all of them log alike, each in an order of its own, is stored once.
        alike = [{"key": key, "value": float(self.turns), "timestamp": 1, "step": self.turns} for key in SHARED_KEYS]
        shuffled.shuffle(alike)
        self.sent |= {(run, point["key"], point["step"]) for point in alike}
        param, tag = f"p-{self.number}-{self.turns}", f"b-{self.number}"
        body = {
            "run_id": run,
            "metrics": points + alike,
            "params": [{"key": param, "value": param}, {"key": "shared", "value": "same"}],
            "tags": [{"key": tag, "value": str(self.turns)}, {"key": "shared", "value": f"{self.number}-{self.turns}"}],
        }
        self._call(shuffled, connections, "runs/log-batch", body)
        self._done(run, points + alike)
        self.params |= {(run, param), (run, "shared")}
        self.tags[run, tag] = str(self.turns)

    def _metric(self, shuffled: random.Random, connections: list[Connection]) -> None:
        run = shuffled.choice(self.job.runs)
        for point in self._points(run, shuffled.sample(SHARED_KEYS, 3)):
            self._call(shuffled, connections, "runs/log-metric", {"run_id": run, **point})
            self._done(run, [point])

    def _tag(self, shuffled: random.Random, connections: list[Connection]) -> None:
        run, key, value = self.job.runs[0], f"t-{self.number}", str(self.turns)
        self._call(shuffled, connections, "runs/set-tag", {"run_id": run, "key": key, "value": value})
        self.tags[run, key] = value
        # What one server has acknowledged the others know.
        reader = shuffled.choice(connections)
        run_read = reader.send(Request("GET", API + "runs/get", (("run_id", run),))).json()["run"]
        assert {"key": key, "value": value} in run_read["data"]["tags"], f"{reader.port} does not know {key}={value}"

    def _untag(self, shuffled: random.Random, connections: list[Connection]) -> None:
        run, key = self.job.runs[-1], f"d-{self.number}"
        self._call(shuffled, connections, "runs/set-tag", {"run_id": run, "key": key, "value": "x"})
        self.tags[run, key] = "x"
        if self.turns % 2:
            self._call(shuffled, connections, "runs/delete-tag", {"run_id": run, "key": key})
            self.tags[run, key] = None

    def _create(self, shuffled: random.Random, connections: list[Connection]) -> None:
        name = f"c-{self.number}-{self.turns}"
        forgiven = sum(self.job.forgiven.values())
        body = {"experiment_id": self.job.experiment, "run_name": name, "start_time": 1}
        answer = self._call(shuffled, connections, "runs/create", body)
        (self.created if sum(self.job.forgiven.values()) == forgiven else self.doubtful).add(name)
        self.stages[answer.json()["run"]["info"]["run_id"]] = "active"

    def _rest(self, shuffled: random.Random, connections: list[Connection]) -> None:
        run = shuffled.choice(list(self.stages))
        self._call(shuffled, connections, "runs/delete", {"run_id": run})
        self.stages[run] = "deleted"
        if self.turns % 3:
            self._call(shuffled, connections, "runs/restore", {"run_id": run})
            self.stages[run] = "active"

    def _doom(self, shuffled: random.Random, connections: list[Connection]) -> None:
        """A run that comes and goes: what is refused must not be there, what is acknowledged must."""
        run, connection = self.job.doomed, shuffled.choice(connections)
        route = ("runs/delete", "runs/restore", "runs/log-metric")[shuffled.randrange(3)]
        body: dict[str, Any] = {"run_id": run}
        points = self._points(run, ["k"]) if route == "runs/log-metric" else []
        answer = connection.send(Request("POST", API + route, body={**body, **(points[0] if points else {})}))
        if answer.status == 200:
            self._done(run, points)
        elif answer.status == 400 and b"must be in" in answer.body:
            self.sent -= {(run, point["key"], point["step"]) for point in points}
        elif not self.forgives(connection.port, answer):
            raise Refused(f"{route} on {connection.port}: {answer.status} {answer.body!r}")


def new_job(port: int, name: str) -> Job:
    """Makes what the clients write to."""
    connection = Connection(port)

    def call(route: str, body: dict[str, Any]) -> Any:
        answer = connection.send(Request("POST", API + route, body=body))
        assert answer.status == 200, f"{route}: {answer.body!r}"
        return answer.json()

    experiment = str(call("experiments/create", {"name": name})["experiment_id"])
    run = {"experiment_id": experiment, "start_time": 1}
    runs = [str(call("runs/create", run)["run"]["info"]["run_id"]) for _ in range(RUNS + 1)]
    connection.close()
    return Job(experiment, runs[:RUNS], runs[RUNS])


@contextmanager
def working(clients: list[Client]) -> Iterator[None]:
    """Lets all clients work meanwhile; raises what any of them met."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(clients)) as threads:
        ends = [threads.submit(client.work, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
        for end in ends:
            end.result()
    assert all(client.turns for client in clients), "a client did nothing"


def check(port: int, job: Job, clients: list[Client]) -> None:
    """Compares what is there with what was acknowledged."""
    connection = Connection(port)

    def read(route: str, *query: tuple[str, str]) -> Any:
        answer = connection.send(Request("GET", API + route, query))
        assert answer.status == 200, f"{route}: {answer.body!r}"
        return answer.json()

    sent, acknowledged = set[Point](), set[Point]()
    for client in clients:
        sent |= client.sent
        acknowledged |= client.acknowledged
    for run in [*job.runs, job.doomed]:
        data = read("runs/get", ("run_id", run))["run"]["data"]
        latest = {metric["key"]: metric for metric in data.get("metrics", [])}
        stored = []
        for key in SHARED_KEYS if run != job.doomed else ["k"]:
            points = read("metrics/get-history", ("run_id", run), ("metric_key", key), ("max_results", "25000")).get("metrics", [])
            stored += [(run, key, int(point["step"])) for point in points]
            if points:
                newest = max(points, key=lambda point: (point["step"], point["timestamp"], point["value"]))
                assert latest[key] == newest, f"the latest value of {key} is not the newest"
        assert len(stored) == len(set(stored)), "points are doubled"
        assert {point for point in acknowledged if point[0] == run} <= set(stored), "acknowledged points are missing"
        assert set(stored) <= {point for point in sent if point[0] == run}, "points are there that were refused"
        params = {(run, param["key"]) for param in data.get("params", [])}
        wanted = {pair for client in clients for pair in client.params if pair[0] == run}
        assert wanted <= params, "acknowledged params are missing"
        tags = {tag["key"]: tag["value"] for tag in data.get("tags", [])}
        for client in clients:
            for (of_run, key), value in client.tags.items():
                assert of_run != run or tags.get(key) == value, f"{key} is {tags.get(key)}, not {value}"
    body = {"experiment_ids": [job.experiment], "filter": "run_name LIKE 'c-%'", "run_view_type": "ALL", "max_results": 50000}
    found = connection.send(Request("POST", API + "runs/search", body=body)).json()["runs"]
    names = Counter(run["info"]["run_name"] for run in found)
    for client in clients:
        assert all(names[name] == 1 for name in client.created), "acknowledged runs are missing or doubled"
        assert all(names[name] >= 1 for name in client.doubtful), "acknowledged runs are missing"
    stages = {run["info"]["run_id"]: run["info"]["lifecycle_stage"] for run in found}
    for client in clients:
        assert all(stages[run] == stage for run, stage in client.stages.items()), "a run is in another stage than acknowledged"
    connection.close()
