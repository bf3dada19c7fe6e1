"""The values of the deployment that this chart is for, object by object beside what the community chart makes of them.

Expected is what the community chart (1.8.1, and 1.11.5 where that is newer) renders from these values: names, labels, ports, arguments,
variables. Where this chart differs on purpose, the reason is in WANTED.
"""

import base64
import hashlib

import yaml
from rendering import SEED, look, objects, of_kind, seed

# The file as it was published, byte for byte.
SEED_SHA256 = "a59feb14952edcbdf062cdd24204bd6533d5d06d3c17cbd5b0de860b95c37332"

WANTED = {
    "no mlflow-migrations and mlflow-dbchecker ConfigMaps": "the binary does both itself; there are no scripts to mount",
    "no mlflow-flask-server-secret-key": "there are no sessions to sign, and a random key differs with each render",
    "no init container for the migration": "the server migrates at its start, one pod at a time, and empty databases get their schema; so "
    "the line about it is in the log that the deployment's own check greps",
    "the image": "burakince/mlflow is MLflow's, and this runs Ferroflow in its place",
    "no --gunicorn-opts": "one process serves, and FERROFLOW_LOG sets the level",
    "no MLFLOW_VERSION, MLFLOW_DISABLE_TELEMETRY, ...": "nothing reads them; nothing is ever sent",
    "allowed hosts have the Service's names": "clients inside the cluster would be refused",
    "annotations for uploads": "ingress-nginx refuses bodies over 1 MiB by default",
    "passwords by secretKeyRef, not envFrom": "init containers get the database's alone",
    "NetworkPolicy, PodDisruptionBudget, test Pod": "the community chart has none",
    "probes": "/livez and /readyz tell a server that waits for its database from one that has to be restarted",
    "security contexts, resources, spread, preStop": "for namespaces that enforce `restricted`, and restarts without failed requests",
}

LABELS = {"app": "mlflow", "app.kubernetes.io/name": "mlflow", "app.kubernetes.io/instance": "mlflow"}
NGINX = "nginx.ingress.kubernetes.io"


def decoded(secret: dict) -> dict:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_the_file_is_as_published() -> None:
    assert hashlib.sha256(SEED.read_bytes()).hexdigest() == SEED_SHA256


def test_objects() -> None:
    named = sorted(f"{thing['kind']}/{thing['metadata']['name']}" for thing in objects(seed()))
    assert named == [
        "ConfigMap/mlflow-env-configmap",
        "Deployment/mlflow",
        "Ingress/mlflow",
        "NetworkPolicy/mlflow",
        "NetworkPolicy/mlflow-tasks",
        "Pod/mlflow-test",
        "PodDisruptionBudget/mlflow",
        "Secret/mlflow-env-secret",
        "Service/mlflow",
        "ServiceAccount/mlflow",
    ]
    assert all(thing["metadata"]["namespace"] == "mlflow" for thing in objects(seed()))


def test_labels() -> None:
    found = objects(seed())
    for thing in found:
        assert LABELS.items() <= thing["metadata"]["labels"].items() or thing["kind"] == "Pod"
    assert look(found, "Deployment: spec.selector.matchLabels") == LABELS
    assert LABELS.items() <= look(found, "Deployment: spec.template.metadata.labels").items()
    assert look(found, "Service: spec.selector") == LABELS


def test_service() -> None:
    service = of_kind(objects(seed()), "Service")["spec"]
    assert service["type"] == "ClusterIP"
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "mlflow", "protocol": "TCP"}]


def test_server() -> None:
    found = objects(seed())
    assert look(found, "Deployment: spec.replicas") == 1
    assert look(found, "Deployment: spec.strategy") == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0},
    }
    assert look(found, "server: name") == "mlflow"
    assert look(found, "server: image") == "ferroflow:0.1.0"
    assert look(found, "server: command") == ["ferroflow"]
    assert look(found, "server: args") == [
        "server",
        "--host=0.0.0.0",
        "--port=5000",
        "--backend-store-uri=postgresql://",
        "--artifacts-destination=wasbs://mlflow-artifacts@warbleosstate.blob.core.windows.net/",
        "--serve-artifacts",
    ]
    assert look(found, "server: ports") == [{"name": "mlflow", "containerPort": 5000, "protocol": "TCP"}]
    assert look(found, "server: envFrom") == [
        {"configMapRef": {"name": "mlflow-env-configmap"}},
        {"secretRef": {"name": "mlflow-azure-secret"}},
    ]
    assert look(found, "server: env") == [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "mlflow-env-secret", "key": name}}}
        for name in ["PGPASSWORD", "PGUSER"]
    ]
    assert look(found, "pod: serviceAccountName") == "mlflow"


def test_variables() -> None:
    found = objects(seed())
    assert look(found, "config: ") == {
        "PGHOST": "postgresql.warble-system.svc.cluster.local",
        "PGPORT": "5432",
        "PGDATABASE": "mlflow",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.frakma.io,mlflow,mlflow.mlflow,mlflow.mlflow.svc,mlflow.mlflow.svc.cluster.local,"
        "localhost,127.0.0.1",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.frakma.io",
        "FERROFLOW_LOG": "info",
        "FERROFLOW_SHUTDOWN_GRACE": "60",
    }
    assert decoded(of_kind(found, "Secret")) == {"PGUSER": "warble", "PGPASSWORD": "warble"}


def test_init_containers() -> None:
    found = objects(seed())
    [check] = look(found, "pod: initContainers")
    assert (check["name"], check["image"], check["command"]) == ("dbchecker", "ferroflow:0.1.0", ["ferroflow"])
    assert check["args"] == ["db", "wait", "--timeout=300", "postgresql://"]
    assert check["envFrom"] == [{"configMapRef": {"name": "mlflow-env-configmap"}}], "no key of the storage"
    assert check["env"] == look(found, "server: env")


def test_ingress() -> None:
    ingress = of_kind(objects(seed()), "Ingress")
    given = seed()["ingress"]["annotations"]
    annotations = ingress["metadata"]["annotations"]
    assert given.items() <= annotations.items()
    assert annotations.keys() - given.keys() == {
        f"{NGINX}/proxy-body-size",
        f"{NGINX}/proxy-request-buffering",
        f"{NGINX}/proxy-max-temp-file-size",
        f"{NGINX}/proxy-read-timeout",
        f"{NGINX}/proxy-send-timeout",
    }
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"secretName": "frakma-io-wildcard-tls", "hosts": ["mlflow.frakma.io"]}],
        "rules": [
            {
                "host": "mlflow.frakma.io",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "mlflow", "port": {"number": 80}}},
                        }
                    ]
                },
            }
        ],
    }


def test_the_password_is_in_the_secret_alone() -> None:
    secret = base64.b64encode(b"geheim").decode()
    values = seed()
    values["backendStore"]["postgres"]["password"] = "geheim"
    holders = [thing["kind"] for thing in objects(values) if "geheim" in (text := yaml.dump(thing)) or secret in text]
    assert holders == ["Secret"]
