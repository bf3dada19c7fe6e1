"""The tracker's life: upgraded, rolled back, restarted under load, checked by `helm test`."""

from __future__ import annotations

import json
import threading
import time

import tracker
from node import helm, kubectl
from tracker import NAMESPACE, RELEASE, URL, Tracker

CLIENTS = 6
# Traefik's provider goes on sending requests to pods that are ending, as long as they answer; ingress-nginx does not. By the
# Service's address neither does.
BY_SERVICE = ("--set-string", r"ingress.annotations.nginx\.ingress\.kubernetes\.io/service-upstream=true")


class Load:
    """Clients that write and read without a second try, until they are told to stop."""

    def __init__(self, tracker: Tracker) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._end = threading.Event()
        self._lock = threading.Lock()
        created = tracker.session().post(f"{URL}/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, timeout=30).json()
        self._run = created["run"]["info"]["run_id"]
        self._threads = [threading.Thread(target=self._work, args=(tracker, number)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets them finish what they do."""
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, tracker: Tracker, number: int) -> None:
        session, step = tracker.session(), 0
        while not self._end.is_set():
            step += 1
            metric = {"run_id": self._run, "key": f"m{number}", "value": step, "timestamp": step, "step": step}
            try:
                wrote = session.post(f"{URL}/api/2.0/mlflow/runs/log-metric", json=metric, timeout=30)
                read = session.get(f"{URL}/api/2.0/mlflow/runs/get", params={"run_id": self._run}, timeout=30)
                bad = [f"{answer.status_code} {answer.text[:200]}" for answer in (wrote, read) if answer.status_code != 200]
            except OSError as error:
                bad = [repr(error)]
            with self._lock:
                self.answers += 2
                self.failures += bad
            time.sleep(0.01)


def test_restarting_three_replicas_loses_no_request(reachable: Tracker) -> None:
    tracker.upgrade("--set", "replicaCount=3", *BY_SERVICE)
    assert len(tracker.ready_pods()) == 3
    before = set(tracker.ready_pods())
    # Traefik hears of the annotation a moment later.
    time.sleep(5)
    load = Load(reachable)
    try:
        kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{RELEASE}")
        kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{RELEASE}", "--timeout=180s", seconds=190)
        deadline = time.monotonic() + 120
        while len(tracker.pods()) > 3 and time.monotonic() < deadline:
            time.sleep(1)
    finally:
        load.stop()
    after = set(tracker.ready_pods())
    assert len(after) == 3 and not after & before
    assert load.failures == []
    assert load.answers > 200


def test_an_upgrade_and_the_way_back(reachable: Tracker) -> None:
    first = _revision()
    tracker.upgrade("--set", "extraEnvVars.FERROFLOW_MAX_TRANSFERS=7", "--set", "replicaCount=1")
    assert "FERROFLOW_MAX_TRANSFERS" in _environment()
    helm("rollback", RELEASE, str(first), "-n", NAMESPACE, "--wait", "--timeout", "180s")
    assert "FERROFLOW_MAX_TRANSFERS" not in _environment()
    assert _revision() == first + 2
    assert reachable.session().get(f"{URL}/health", timeout=30).text == "OK"


def test_helms_own_test(reachable: Tracker) -> None:
    said = helm("test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout", "120s")
    assert "Succeeded" in said


def _revision() -> int:
    return int(json.loads(helm("status", RELEASE, "-n", NAMESPACE, "-o", "json"))["version"])


def _environment() -> set[str]:
    deployment = json.loads(kubectl("-n", NAMESPACE, "get", "deployment", RELEASE, "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"] for variable in container.get("env", [])}
