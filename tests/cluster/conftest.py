"""The cluster, what is around it, and the tracker that the seed's values install."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

import edge
import names
import node
import tracker
from outside import Database, Store
from processes import LOGS, PROGRAMS, REPOSITORY, STATE, Processes, say
from tracker import Tracker

IMAGE = REPOSITORY / "target" / "image" / "ferroflow.tar"
TESTS_IN_ORDER = ("test_seed.py", "test_operation.py", "test_starts.py")


def pytest_configure() -> None:
    """The logs of this run only; clients that report nothing to anybody; the seed's commands find the cluster."""
    if not STATE.is_dir():
        raise pytest.UsageError("run tests/cluster/run: the cluster is in namespaces of its own")
    shutil.rmtree(LOGS, ignore_errors=True)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["KUBECONFIG"] = str(node.KUBECONFIG)
    os.environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}:/usr/sbin:/sbin"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what the seed says, then what takes the tracker down."""
    items.sort(key=lambda item: TESTS_IN_ORDER.index(item.path.name))


def pytest_runtest_logstart(nodeid: str) -> None:
    """Says what is being tried."""
    say(nodeid)


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """All programs but the tests."""
    processes = Processes()
    try:
        yield processes
    finally:
        tracker.keep_logs()
        processes.stop_all()


@pytest.fixture(scope="session")
def cluster(processes: Processes) -> None:
    """The node, with the image, cert-manager and Traefik."""
    assert IMAGE.is_file(), "there is no image: run `make image`"
    key = names.start(processes)
    node.start(processes)
    edge.start_certificates(processes, key)
    edge.start_ingress(processes)
    node.load(IMAGE)


@pytest.fixture(scope="session")
def database(cluster: None) -> Iterator[Database]:
    """The shared PostgreSQL."""
    database = Database()
    yield database
    database.stop()


@pytest.fixture(scope="session")
def store(cluster: None, processes: Processes) -> Store:
    """Azure's blobs."""
    return Store(processes)


@pytest.fixture(scope="session")
def installed(database: Database, store: Store) -> Tracker:
    """The tracker, installed from the seed's values by the seed's commands."""
    tracker.prepare_namespace(store)
    tracker.install()
    say("the tracker is installed")
    return Tracker()


@pytest.fixture(scope="session")
def reachable(installed: Tracker, processes: Processes) -> Tracker:
    """The same, once its certificate is there."""
    processes.until("the seed's certificate", edge.certificate_is_there, 420)
    edge.copy_certificate(tracker.NAMESPACE)
    processes.until("the certificate at the ingress", installed.has_certificate, 240)
    say("https://mlflow.frakma.io answers with the seed's certificate")
    return installed
