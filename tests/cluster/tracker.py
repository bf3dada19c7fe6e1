"""The tracker of the seed: its namespace, its installation, and what users do with it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

import edge
from node import helm, kubectl
from outside import Store
from processes import LOGS, REPOSITORY, output

HERE = Path(__file__).resolve().parent
CHART = REPOSITORY / "charts" / "ferroflow"
VALUES = CHART / "ci" / "seed-values.yaml"
NAMESPACE = RELEASE = "mlflow"
HOST = "mlflow.frakma.io"
URL = f"https://{HOST}"
USER, PASSWORD = "mlflow-admin", "your-password"
# All that a test has to add to the seed's values: trust in the tests' Azure.
ADDED = ("--set", "caBundle.configMap=azure-ca")


class Tracker:
    """How users reach it."""

    def session(self, user: str | None = USER, password: str = PASSWORD) -> requests.Session:
        """An HTTP client that trusts the ACME server's certificates and nobody else's."""
        session = requests.Session()
        # A variable of this machine, REQUESTS_CA_BUNDLE, would go before it.
        session.trust_env = False
        session.verify = str(edge.ROOTS)
        if user:
            session.auth = (user, password)
        return session

    def has_certificate(self) -> bool:
        """Whether the host has a certificate of the ACME server, for its name."""
        try:
            return bool(self.certificate())
        except (ssl.SSLError, OSError):
            return False

    def certificate(self) -> dict[str, Any]:
        """The certificate, checked."""
        context = ssl.create_default_context(cafile=str(edge.ROOTS))
        with socket.create_connection((HOST, 443), timeout=5) as connection, context.wrap_socket(connection, server_hostname=HOST) as tls:
            return dict(tls.getpeercert() or {})

    def train(self, folder: Path, seconds: float = 120.0) -> str:
        """Runs the seed's training in a folder with a `model.pkl`, as a user of the stock client does; answers the run's id."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AZURE_"))},
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "REQUESTS_CA_BUNDLE": str(edge.ROOTS),
        }
        before = self.runs()
        done = subprocess.run(
            [sys.executable, str(HERE / "seed" / "training.py")], cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (run,) = self.runs() - before
        return run

    def runs(self) -> set[str]:
        """The runs of the default experiment."""
        answer = self.session().post(f"{URL}/api/2.0/mlflow/runs/search", json={"experiment_ids": ["0"]}, timeout=30)
        answer.raise_for_status()
        return {run["info"]["run_id"] for run in answer.json().get("runs", [])}


def prepare_namespace(store: Store) -> None:
    """Makes what the seed has before it installs, by its own commands, in a namespace that takes restricted pods only."""
    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    output(
        "sh",
        "-c",
        f"htpasswd -nb {USER} {PASSWORD} | kubectl create secret generic mlflow-basic-auth \\\n  --from-file=auth=/dev/stdin -n mlflow",
    )
    kubectl("-n", NAMESPACE, "create", "secret", "generic", "mlflow-azure-secret", f"--from-literal=AZURE_STORAGE_ACCESS_KEY={store.key}")
    kubectl("-n", NAMESPACE, "create", "configmap", "azure-ca", f"--from-file=ca.crt={store.authority}")


def install(*more: str, wait: bool = True) -> None:
    """Installs the seed's values, with what is added."""
    waiting = ("--wait", "--timeout", "180s") if wait else ()
    helm("install", RELEASE, str(CHART), "-n", NAMESPACE, "-f", str(VALUES), *ADDED, *waiting, *more)


def upgrade(*more: str) -> None:
    """Upgrades the release with the seed's values, and others."""
    helm("upgrade", RELEASE, str(CHART), "-n", NAMESPACE, "-f", str(VALUES), *ADDED, "--wait", "--timeout", "180s", *more)


def uninstall() -> None:
    """Takes the release away, if it is there."""
    helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "120s")


def pods() -> list[dict[str, Any]]:
    """The tracker's pods, by the seed's label."""
    return list(json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=mlflow", "-o", "json"))["items"])


def ready_pods() -> list[str]:
    """The names of those that are ready and stay."""
    return [
        pod["metadata"]["name"]
        for pod in pods()
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    ]


def restarts() -> int:
    """How often a container of theirs has been started again."""
    statuses = (s for pod in pods() for kind in ("initContainerStatuses", "containerStatuses") for s in pod["status"].get(kind, []))
    return sum(status["restartCount"] for status in statuses)


def logs() -> str:
    """All that their containers have written."""
    return kubectl("-n", NAMESPACE, "logs", "-l", "app=mlflow", "--all-containers", "--tail=-1", "--prefix", "--ignore-errors")


def keep_logs() -> None:
    """Writes down what became of the tracker, for who looks at a failure."""
    for name, arguments in {
        "objects": ("get", "all,ingress,certificate,certificaterequest,challenge", "-A", "-o", "wide"),
        "events": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
        "pods": ("-n", NAMESPACE, "describe", "pods"),
        "tracker": ("-n", NAMESPACE, "logs", "-l", "app=mlflow", "--all-containers", "--tail=-1", "--prefix", "--ignore-errors"),
    }.items():
        try:
            (LOGS / f"{name}.txt").write_text(kubectl(*arguments))
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            (LOGS / f"{name}.txt").write_text(str(error))
