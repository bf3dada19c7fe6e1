"""Installations that meet no database, or an empty one all at once; and what an uninstallation leaves."""

from __future__ import annotations

import json
import time

import tracker
from node import kubectl
from outside import Database
from processes import Processes
from tracker import NAMESPACE, RELEASE, Tracker

# What the seed's commands and these tests have made, and the cluster itself makes. Helm leaves the pods of `helm test`.
OTHERS = {"mlflow-test", "mlflow-basic-auth", "mlflow-azure-secret", "frakma-io-wildcard-tls", "azure-ca", "kube-root-ca.crt", "default"}
KINDS = "all,ingress,configmap,secret,serviceaccount,poddisruptionbudget,networkpolicy,job,cronjob,role,rolebinding"


def test_an_uninstallation_leaves_nothing(installed: Tracker) -> None:
    tracker.uninstall()
    deadline = time.monotonic() + 120
    while tracker.pods() and time.monotonic() < deadline:
        time.sleep(1)
    left = json.loads(kubectl("-n", NAMESPACE, "get", KINDS, "-o", "json"))["items"]
    assert {f"{item['kind']}/{item['metadata']['name']}" for item in left if item["metadata"]["name"] not in OTHERS} == set()


def test_three_at_once_on_an_empty_database(installed: Tracker, database: Database) -> None:
    tracker.uninstall()
    database.empty()
    tracker.install("--set", "replicaCount=3")
    assert len(tracker.ready_pods()) == 3
    assert tracker.restarts() == 0
    assert database.execute("SELECT version_num FROM alembic_version", "mlflow") == "bf29a5ff90ea"
    made = [line for line in tracker.logs().splitlines() if "database migration" in line]
    assert len(made) == 3, made
    assert database.execute("SELECT count(*) FROM experiments", "mlflow") == "1"
    tracker.uninstall()


def test_a_database_that_is_down(installed: Tracker, database: Database, processes: Processes) -> None:
    tracker.uninstall()
    database.down()
    try:
        tracker.install(wait=False)
        time.sleep(20)
        assert len(tracker.pods()) == 1 and tracker.ready_pods() == []
    finally:
        database.up()
    began = time.monotonic()
    processes.until("the tracker", lambda: len(tracker.ready_pods()) == 1, 60)
    assert time.monotonic() - began < 30
    assert tracker.restarts() == 0
    assert kubectl("-n", NAMESPACE, "get", "deployment", RELEASE, "-o", "jsonpath={.status.readyReplicas}") == "1"
