"""What the seed says, on a cluster: installed from its values, its checks."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

import tracker
from node import kubectl
from outside import Store
from processes import output
from tracker import NAMESPACE, URL, USER, Tracker

GIBIBYTE = 1 << 30


def test_it_installs(installed: Tracker) -> None:
    assert len(tracker.ready_pods()) == 1
    assert tracker.restarts() == 0


def test_the_seeds_command_finds_the_migration(installed: Tracker) -> None:
    found = output("sh", "-c", 'kubectl logs -n mlflow -l app=mlflow | grep "database migration"')
    assert "bf29a5ff90ea" in found


def test_the_certificate_is_the_seeds(reachable: Tracker) -> None:
    names = {name for _, name in reachable.certificate()["subjectAltName"]}
    assert names & {"*.frakma.io", "mlflow.frakma.io"}


@pytest.mark.parametrize("user, password", [(None, ""), (USER, "wrong"), ("somebody", "your-password")])
def test_nobody_comes_in_without_the_password(reachable: Tracker, user: str | None, password: str) -> None:
    session = reachable.session(user, password)
    for path in ("/", "/api/2.0/mlflow/experiments/get?experiment_id=0", "/api/2.0/mlflow-artifacts/artifacts", "/health"):
        answer = session.get(URL + path, timeout=30)
        assert answer.status_code == 401, path
        assert "experiment" not in answer.text
    assert reachable.session().get(URL + "/health", timeout=30).text == "OK"


def test_the_seeds_training(reachable: Tracker, store: Store, tmp_path: Path) -> None:
    content = b"not really a model, but it is one's own" * 1000
    (tmp_path / "model.pkl").write_bytes(content)
    run = reachable.train(tmp_path)
    found = reachable.session().get(f"{URL}/api/2.0/mlflow/runs/get", params={"run_id": run}, timeout=30).json()["run"]
    assert found["data"]["params"] == [{"key": "test", "value": "value"}]
    assert found["info"]["status"] == "FINISHED"
    blob = f"0/{run}/artifacts/model.pkl"
    assert store.names()[blob] == len(content)
    assert store.read(blob) == content


def test_a_model_of_one_gibibyte(reachable: Tracker, store: Store, tmp_path: Path) -> None:
    block = hashlib.shake_256(b"a model").digest(1 << 20)
    digest = hashlib.sha256()
    with open(tmp_path / "model.pkl", "wb") as model:
        for number in range(GIBIBYTE >> 20):
            part = number.to_bytes(8, "big") + block[8:]
            model.write(part)
            digest.update(part)
    run = reachable.train(tmp_path, seconds=600)
    (tmp_path / "model.pkl").unlink()
    assert store.names()[f"0/{run}/artifacts/model.pkl"] == GIBIBYTE
    # And back, the same way.
    read = hashlib.sha256()
    address = f"{URL}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model.pkl"
    with reachable.session().get(address, stream=True, timeout=120) as answer:
        assert answer.status_code == 200
        for part in answer.iter_content(1 << 20):
            read.update(part)
    assert read.hexdigest() == digest.hexdigest()
    assert tracker.restarts() == 0


def test_nobody_has_the_key_but_the_server(reachable: Tracker, store: Store) -> None:
    key = store.key
    assert key not in kubectl("get", "pods,deployments,replicasets,jobs,configmaps,ingresses,events", "-A", "-o", "json")
    assert key not in tracker.logs()
    # Of all processes of the node, containers included, two have it in their environment: the server and Azurite.
    holders = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if key.encode() in environment.read_bytes():
                holders.add(" ".join((environment.parent / "cmdline").read_text().split("\0")[:2]))
        except OSError:
            continue
    servers = {holder for holder in holders if "azurite" not in holder}
    assert len(holders) == 2 and all("server" in holder for holder in servers), holders


def test_the_namespace_takes_restricted_pods_only(installed: Tracker) -> None:
    label = kubectl("get", "namespace", NAMESPACE, "-o", r"jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}")
    assert label == "restricted"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "root", "image": "localhost/pause:1"}]},
    }
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        kubectl("apply", "-f", "-", given=json.dumps(pod))


def test_it_holds_no_token_of_the_cluster(installed: Tracker) -> None:
    for pod in tracker.pods():
        mounts = [mount["mountPath"] for container in pod["spec"]["containers"] for mount in container.get("volumeMounts", [])]
        assert not any("serviceaccount" in mount for mount in mounts)


def test_there_is_no_shell(installed: Tracker) -> None:
    (pod,) = tracker.ready_pods()
    said = subprocess.run(["kubectl", "-n", NAMESPACE, "exec", pod, "--", "sh", "-c", "true"], capture_output=True, text=True)
    assert said.returncode != 0 and "executable file not found" in said.stderr
