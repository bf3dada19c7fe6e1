"""Three servers of one database behind nginx: which of them answers cannot be told, and each can go at any time."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from nginx import Nginx
from servers import Server, restart
from together import API, Client, check, new_job, working

REPLICAS = 3
CLIENTS = 6
LARGE = 40_000_000


@pytest.fixture(scope="module")
def replicas(fleet: Fleet) -> list[Server]:
    """Servers of one database and one folder of artifacts."""
    uri = fleet.database("postgresql", "replicas")
    return [fleet.start(fleet.candidate_kind, "replicas", uri) for _ in range(REPLICAS)]


@pytest.fixture(scope="module")
def nginx(replicas: list[Server], fleet: Fleet) -> Iterator[Nginx]:
    """What clients see of them."""
    running = Nginx(replicas, fleet.directory / "nginx.log")
    try:
        yield running
    finally:
        running.stop()


def test_all_of_them_answer(nginx: Nginx, replicas: list[Server]) -> None:
    """A search goes on at the next replica, page by page, and each replica knows what any other has acknowledged."""
    connection = Connection(nginx.port)
    experiment = connection.send(Request("POST", API + "experiments/create", body={"name": "pages"})).json()["experiment_id"]
    made = []
    for number in range(9):
        body = {"experiment_id": experiment, "start_time": number + 1}
        made.append(connection.send(Request("POST", API + "runs/create", body=body)).json()["run"]["info"]["run_id"])
    found, token = [], None
    for _ in range(5):
        body = {"experiment_ids": [experiment], "max_results": 2, "order_by": ["start_time ASC"], "page_token": token}
        page = connection.send(Request("POST", API + "runs/search", body=body)).json()
        found += [run["info"]["run_id"] for run in page["runs"]]
        token = page.get("next_page_token")
    assert found == made and token is None
    connection.close()
    asked = re.findall(r"runs/search 200 127\.0\.0\.1:(\d+) ", nginx.accesses())
    assert {int(port) for port in asked} == {server.port for server in replicas}


def test_artifacts_pass_through(nginx: Nginx, replicas: list[Server]) -> None:
    content = os.urandom(LARGE)
    path = "/api/2.0/mlflow-artifacts/artifacts/large/file.bin"
    connection = Connection(nginx.port)
    assert connection.send(Request("PUT", path, body=content)).status == 200
    for _ in replicas:
        assert connection.send(Request("GET", path)).body == content
    connection.close()
    assert "buffered" not in nginx.errors(), nginx.errors()


def test_a_replica_is_killed(nginx: Nginx, replicas: list[Server]) -> None:
    """What it had at that moment is 502, and no more than that; acknowledged writes are there."""
    job = new_job(nginx.port, "killed")
    clients = [Client(number, [nginx.port], job, _lost_its_replica) for number in range(CLIENTS)]
    with working(clients):
        for server in replicas[:2]:
            time.sleep(0.7)
            server.kill()
            time.sleep(0.5)
            restart(server)
    assert sum(job.forgiven.values()) <= 2 * CLIENTS, job.forgiven
    check(nginx.port, job, clients)


def test_replicas_are_restarted_one_by_one(nginx: Nginx, replicas: list[Server]) -> None:
    """Nobody notices: no request fails."""
    job = new_job(nginx.port, "rolled")
    clients = [Client(number, [nginx.port], job, lambda _port, _answer: False) for number in range(CLIENTS)]
    with working(clients):
        for server in replicas * 2:
            time.sleep(0.3)
            server.stop()
            time.sleep(0.2)
            restart(server)
    check(nginx.port, job, clients)


def _lost_its_replica(_port: int, answer: Answer) -> bool:
    return answer.status == 502
