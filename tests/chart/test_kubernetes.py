"""What Kubernetes would say: schemas of every version, Pod Security, policies; and two renders are the same."""

import json
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from cases import AZURE, CHECK, GCS, HTPASSWD, INGRESS, JOB, POSTGRES, ROUTE, S3, SECRET_OF_MINE
from rendering import CHART, ROOT, Object, merged, objects, pod_specs, rendered, seed

VERSIONS = [f"1.{minor}" for minor in range(25, 38)]
# preStop.sleep came with 1.29, and is on by default since 1.30.
SLEEPS_SINCE = 30

EVERYTHING = merged(
    POSTGRES,
    AZURE,
    CHECK,
    INGRESS,
    {
        "replicaCount": 3,
        "secretsAsFiles": True,
        "revisionHistoryLimit": 3,
        "autoscaling": {"enabled": True, "minReplicas": 2, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}},
        "persistence": {"enabled": True, "accessModes": ["ReadWriteMany"], "storageClass": "files"},
        "caBundle": {"configMap": "ca"},
        "webhooks": {"existingSecret": {"name": "hooks"}},
        "workloadIdentity": {"azure": {"clientId": "c", "tenantId": "t"}},
        "gc": {"enabled": True},
        "basicAuth": {"enabled": True, "entries": [HTPASSWD]},
        "networkPolicy": {"allowFrom": [{"namespaceSelector": {}}], "egress": {"enabled": True}},
        "priorityClassName": "high",
        "dnsConfig": {"nameservers": ["10.0.0.1"]},
        "extraEnvVars": {"A": "b"},
        "extraDeploy": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more", "namespace": "mlflow"}, "data": {"a": "b"}}],
        "backendStore": {"postgres": {"sslMode": "verify-full", "sslRootCert": {"secret": "ca"}, "poolSize": 5}},
    },
)
SAMPLES = {
    "defaults": {},
    **{path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").iterdir())},
    "everything": EVERYTHING,
    "job": merged(POSTGRES, S3, CHECK, JOB),
    "hook": merged(POSTGRES, S3, CHECK, JOB, SECRET_OF_MINE, {"migration": {"job": {"hook": True}}}),
    "init": merged(POSTGRES, GCS, CHECK, {"migration": {"mode": "init"}, "artifactRoot": {"gcs": {"existingSecret": {"name": "s"}}}}),
    "route": merged(POSTGRES, S3, ROUTE),
    "official": merged(seed(), {"image": {"official": True}}),
}


# Read once, instead of for every object.
kubernetes_validate.utils.schema_contents = lru_cache(maxsize=40)(kubernetes_validate.utils.schema_contents)


def is_built_in(thing: Object) -> bool:
    group = thing["apiVersion"].rpartition("/")[0]
    return "." not in group or group in ("networking.k8s.io", "rbac.authorization.k8s.io")


@pytest.mark.parametrize("version", VERSIONS)
def test_strict_schemas(version: str) -> None:
    sleeps = int(version.split(".")[1]) >= SLEEPS_SINCE
    kinds = set()
    for sample in SAMPLES.values():
        for thing in filter(is_built_in, objects(merged(sample, {} if sleeps else {"preStopSleepSeconds": 0}))):
            kubernetes_validate.validate(thing, version, strict=True)
            kinds.add(thing["kind"])
    assert {"Deployment", "Job", "CronJob", "HorizontalPodAutoscaler", "NetworkPolicy", "PersistentVolumeClaim"} <= kinds


def test_a_typo_in_a_manifest_would_be_found() -> None:
    [service] = [thing for thing in objects({}) if thing["kind"] == "Service"]
    service["spec"]["prots"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, "1.34", strict=True)


def restricted(spec: Object) -> list[str]:
    """What Pod Security `restricted` has against a pod."""
    wrong = []
    pod = spec.get("securityContext", {})
    for key in ["hostNetwork", "hostPID", "hostIPC"]:
        if spec.get(key):
            wrong.append(key)
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    wrong += [f"volume {v['name']}" for v in spec.get("volumes", []) if not v.keys() - {"name"} <= allowed]
    for container in spec.get("initContainers", []) + spec["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append(f"{container['name']}: allowPrivilegeEscalation")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            wrong.append(f"{container['name']}: capabilities")
        if not own.get("runAsNonRoot", pod.get("runAsNonRoot")) or own.get("runAsUser", pod.get("runAsUser")) == 0:
            wrong.append(f"{container['name']}: root")
        profile = own.get("seccompProfile", pod.get("seccompProfile", {})).get("type")
        if profile not in ("RuntimeDefault", "Localhost"):
            wrong.append(f"{container['name']}: seccompProfile")
        if any("hostPort" in port for port in container.get("ports", [])):
            wrong.append(f"{container['name']}: hostPort")
    return wrong


@pytest.mark.parametrize("sample", SAMPLES)
def test_pods_are_restricted(sample: str) -> None:
    specs = pod_specs(objects(SAMPLES[sample]))
    assert specs
    for name, spec in specs:
        assert restricted(spec) == [], name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        for container in spec.get("initContainers", []) + spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["securityContext"]["runAsUser"] == container["securityContext"]["runAsGroup"] == 1001, name
            assert container["resources"]["requests"] and container["resources"]["limits"], name


def test_what_is_not_restricted_would_be_found() -> None:
    [(_, spec)] = [entry for entry in pod_specs(objects({})) if entry[0].startswith("Deployment")]
    del spec["securityContext"]["seccompProfile"]
    assert restricted(spec) == ["mlflow: seccompProfile"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_mounts_have_volumes(sample: str) -> None:
    for name, spec in pod_specs(objects(SAMPLES[sample])):
        volumes = [volume["name"] for volume in spec.get("volumes", [])]
        assert len(volumes) == len(set(volumes)), name
        for container in spec.get("initContainers", []) + spec["containers"]:
            mounts = [mount["name"] for mount in container.get("volumeMounts", [])]
            assert set(mounts) <= set(volumes), f"{name}: {container['name']}"
            names = [variable["name"] for variable in container.get("env", [])]
            assert len(names) == len(set(names)), f"{name}: {container['name']}"


@pytest.mark.parametrize("sample", SAMPLES)
def test_two_renders_are_the_same(sample: str) -> None:
    assert rendered(SAMPLES[sample]) == rendered(SAMPLES[sample])


def test_nothing_asks_the_cluster_or_chance() -> None:
    forbidden = r"\b(lookup|rand[A-Z]\w*|uuidv4|now|gen(CA|Signed|Self|PrivateKey)\w*|htpasswd|bcrypt)\b|\.Capabilities"
    for path in (CHART / "templates").rglob("*.*"):
        # Helm's functions stand between braces and outside of comments and quotes.
        code = re.sub(r"{{-?\s*/\*.*?\*/\s*-?}}", "", path.read_text(), flags=re.DOTALL)
        code = re.sub(r'"[^"]*"', '""', " ".join(re.findall(r"{{.*?}}", code, flags=re.DOTALL)))
        assert not re.search(forbidden, code), path.name


# Checks that are not for this chart.
SKIPPED = {
    "CKV_K8S_40": "uid 1001 is the image's and the community chart's; volumes that exist belong to it",
    "CKV_K8S_43": "a digest is the installer's to pin: image.digest",
    "CKV_K8S_15": "IfNotPresent is the community chart's default; a tag here is never moved",
}
# Those that are not for some of it, by the beginning of what they fail for.
SKIPPED_FOR = {
    ("CKV_K8S_8", "Pod."): "the pod of `helm test` runs to its end",
    ("CKV_K8S_9", "Pod."): "the pod of `helm test` runs to its end",
}
# Secrets are variables unless these values ask for files.
WITH_FILES = {"everything"}


def test_checkov(tmp_path: Path) -> None:
    for sample in SAMPLES.keys() - {"official"}:
        (tmp_path / f"{sample}.yaml").write_text(yaml.safe_dump_all(objects(SAMPLES[sample])))
    done = subprocess.run(
        [ROOT / ".venv-checkov/bin/checkov", "--framework", "kubernetes", "--directory", tmp_path, "--output", "json", "--compact",
         "--quiet", "--skip-download", "--skip-check", ",".join(SKIPPED)],
        capture_output=True, text=True, check=False, env=os.environ | {"LOG_LEVEL": "ERROR", "ANSI_COLORS_DISABLED": "1"},
    )  # fmt: skip
    report = json.loads(done.stdout)
    failed = {(check["check_id"], check["resource"], Path(check["file_path"]).stem) for check in report["results"]["failed_checks"]}
    wanted = {entry for entry in failed if any(entry[0] == check and entry[1].startswith(what) for check, what in SKIPPED_FOR)}
    wanted |= {entry for entry in failed if entry[0] == "CKV_K8S_35" and entry[2] not in WITH_FILES}
    assert failed - wanted == set()
    assert report["summary"]["passed"] > 1000
