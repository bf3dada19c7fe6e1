"""What people read: NOTES, the table of values, the example of docs/kubernetes.md."""

import re

import helm_python
import pytest
import yaml
from cases import INGRESS, POSTGRES, ROUTE
from rendering import CHART, ROOT, look, merged, objects, rendered, seed

README = (CHART / "README.md").read_text()
GUIDE = (ROOT / "docs/kubernetes.md").read_text()

# Every value of the community chart, 1.11.5; `*` stands for what is below.
COMMUNITY = """
replicaCount image.repository image.tag image.pullPolicy image.digest initImages.* strategy.* imagePullSecrets nameOverride
fullnameOverride revisionHistoryLimit serviceAccount.* deploymentAnnotations podAnnotations extraPodLabels podSecurityContext
securityContext service.* log.enabled log.level telemetry.enabled backendStore.databaseMigration backendStore.databaseConnectionCheck
backendStore.defaultSqlitePath backendStore.postgres.* backendStore.mysql backendStore.mssql backendStore.existingDatabaseSecret.*
postgresql mysql artifactRoot.proxiedArtifactStorage artifactRoot.defaultArtifactRoot artifactRoot.defaultArtifactsDestination
artifactRoot.azureBlob.* artifactRoot.s3.* artifactRoot.gcs.* flaskServerSecretKey auth.* ldapAuth.* autoscaling.* extraArgs extraFlags
extraEnvVars extraSecretNamesForEnvFrom ingress.* corsAllowedOrigins serverAllowedHosts serverHost resources serviceMonitor.* nodeSelector
tolerations affinity priorityClassName initContainers extraContainers extraVolumes extraVolumeMounts extraDeploy livenessProbe readinessProbe
oauth2Proxy.* oidcAuth.* minio.*
""".split()

# Keys of the community chart that have to be taken as they are, by the path of each.
COMMUNITY_BELOW = {
    "initImages": ["dbchecker", "mlflowDbMigration", "iniFileInitializer"],
    "strategy": ["type", "rollingUpdate"],
    "serviceAccount": ["create", "automount", "annotations", "name"],
    "service": ["enabled", "type", "port", "name", "annotations", "containerPort", "containerPortName"],
    "backendStore.postgres": ["enabled", "host", "port", "database", "user", "password", "driver"],
    "backendStore.existingDatabaseSecret": ["name", "usernameKey", "passwordKey"],
    "artifactRoot.azureBlob": ["enabled", "container", "storageAccount", "path", "connectionString", "accessKey"],
    "artifactRoot.s3": ["enabled", "bucket", "path", "awsAccessKeyId", "awsSecretAccessKey", "existingSecret"],
    "artifactRoot.s3.existingSecret": ["name", "keyOfAccessKeyId", "keyOfSecretAccessKey"],
    "artifactRoot.gcs": ["enabled", "bucket", "path"],
    "autoscaling": ["enabled", "minReplicas", "maxReplicas", "metrics", "behavior"],
    "ingress": ["enabled", "className", "annotations", "hosts", "tls"],
    "livenessProbe": ["initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"],
    "readinessProbe": ["initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"],
}


def table_of_values() -> str:
    start = README.index("## Every value of the community chart")
    return README[start : README.index("\n## ", start + 1)]


def named(row: str) -> list[str]:
    """The values that a row of the table is about; `.x` goes on after the one before."""
    paths: list[str] = []
    for word in re.findall(r"`([^`]+)`", row.split("|")[1]):
        paths.append(paths[0].rsplit(".", 1)[0] + word if word.startswith(".") else word)
    return paths


def test_every_value_of_the_community_chart_is_in_the_table() -> None:
    rows = [line for line in table_of_values().splitlines() if line.startswith("| `")]
    names = {name.removesuffix(".*") for row in rows for name in named(row)}
    assert {name.removesuffix(".*") for name in COMMUNITY} - names == set()
    assert {row.split("|")[2].strip() for row in rows} == {"same", "better", "not used", "refused"}


def test_every_other_value_is_in_the_second_table() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    described = README[README.index("## What there is besides") :]
    theirs = {name.split(".")[0] for name in COMMUNITY}
    for key in values.keys() - theirs - {"startupProbe", "terminationGracePeriodSeconds", "topologySpreadConstraints"}:
        assert f"`{key}`" in described, key


@pytest.mark.parametrize("path", COMMUNITY_BELOW)
def test_values_of_the_community_chart_are_known(path: str) -> None:
    known = yaml.safe_load((CHART / "files/known-keys.yaml").read_text())
    for step in path.split("."):
        known = known[step]
    assert known == "any" or set(COMMUNITY_BELOW[path]) <= known.keys()


def test_the_example_of_the_guide_installs() -> None:
    [text] = re.findall(r"\*\*6\. The values\.\*\*\n\n```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert text == (CHART / "ci/aks-values.yaml").read_text()
    found = objects(yaml.safe_load(text))
    kinds = {thing["kind"] for thing in found}
    assert {"Certificate", "ClusterIssuer", "Ingress", "NetworkPolicy", "Deployment"} <= kinds
    assert look(found, "Deployment: spec.template.metadata.labels.azure~workload~identity/use") == "true"


def test_links_lead_somewhere() -> None:
    for page, text in [(CHART / "README.md", README), (ROOT / "docs/kubernetes.md", GUIDE)]:
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def notes(*values: dict) -> str:
    return " ".join(rendered(merged(*values))["ferroflow/templates/NOTES.txt"].split())


def test_notes_of_the_deployment() -> None:
    text = notes(seed())
    for words in [
        'mlflow.set_tracking_uri("https://mlflow.frakma.io")',
        'mlflow.set_tracking_uri("http://mlflow.mlflow.svc:80")',
        "burakince/mlflow:3.7.0 stands for the image of MLflow; ferroflow:0.1.0 runs in its place",
        "set ingress.certManagerShim=false",
        "htpasswd -nb NAME PASSWORD | kubectl create secret generic mlflow-basic-auth --from-file=auth=/dev/stdin -n mlflow",
        "The database's password is in the values of this release",
    ]:
        assert words in text, words
    assert "warble-system" not in text and "gone with the pod" not in text


@pytest.mark.parametrize(
    "values,words",
    [
        ({"image": {"repository": "burakince/mlflow", "tag": "3.15.1"}}, "These values ask for MLflow 3.15.1"),
        ({"image": {"repository": "burakince/mlflow", "official": True}}, "call `mlflow db upgrade` by yourself"),
        ({"image": {"repository": "burakince/mlflow", "official": True}}, "MLflow 3.7.0 is installed as mlflow"),
        ({}, "For one in a registry set image.repository=REGISTRY/ferroflow"),
        ({}, "a SQLite file that is gone with the pod"),
        ({"artifactRoot": {"proxiedArtifactStorage": True}}, "Artifacts are gone with the pod"),
        (INGRESS, "Nobody is asked for a password: see basicAuth"),
        (ROUTE, "Nobody is asked for a password: see basicAuth"),
        (INGRESS, "ingress-nginx has had no releases since March 2026"),
        (INGRESS, "networkPolicy.allowFrom names who may"),
    ],
)
def test_notes_say_what_to_know(values: dict, words: str) -> None:
    assert words in notes(values)


def test_notes_hold_no_password() -> None:
    values = merged(POSTGRES, {"backendStore": {"postgres": {"password": "geheim"}}})
    assert "geheim" not in notes(values)


@pytest.mark.parametrize("values", [{}, seed()], ids=["defaults", "seed"])
def test_helm_has_nothing_to_say(values: dict) -> None:
    report = helm_python.lint(str(CHART), values, strict=True, kube_version="v1.34.0")
    assert [message for message in report["messages"] if message["severity"] > 1] == report["errors"] == []
