"""Every value of the chart does what it says, and what cannot work is refused."""

import re

import helm_python
import pytest
import yaml
from cases import CASES, REFUSALS, Absent, Case, Has, Lacks
from rendering import CHART, at_path, look, merged, objects

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
# Refused whole, or nothing of the chart's own is below.
WHOLE = {
    *("podSecurityContext", "securityContext", "resources", "strategy.rollingUpdate", "migration.job.annotations"),
    *("backendStore.mysql", "backendStore.mssql", "postgresql", "mysql", "minio"),
    *("auth", "ldapAuth", "oidcAuth", "oauth2Proxy", "serviceMonitor"),
}


# What the community chart has and nothing here needs.
WITHOUT_EFFECT = {"initImages", "telemetry.enabled", "flaskServerSecretKey"}


def without(values: dict, path: str) -> dict:
    first, _, rest = path.partition(".")
    if not rest:
        return {key: value for key, value in values.items() if key != first}
    return values | {first: without(values[first], rest)} if first in values else values


def leaves(values: dict, path: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        found += leaves(value, here) if isinstance(value, dict) and value and here not in WHOLE else [here]
    return found


def contains(actual: object, item: object) -> bool:
    if isinstance(actual, str):
        return item in actual.split(",")
    return isinstance(actual, list) and item in actual


def holds(case: Case, values: dict) -> bool:
    actual = look(objects(values), case.where)
    match case.expected:
        case Lacks(items=items):
            return bool(actual) and not any(contains(actual, item) for item in items)
        case Has(items=items):
            return all(contains(actual, item) for item in items)
        case expected if expected is Absent:
            return actual is None
        case expected:
            return actual == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.key}={case.value!r:.40}-{case.where:.60}")
def test_a_value_shows_where_it_should(case: Case) -> None:
    values = merged(*case.base, at_path(case.key, case.value))
    assert holds(case, values), look(objects(values), case.where)


@pytest.mark.parametrize("key", sorted({case.key for case in CASES} - WITHOUT_EFFECT))
def test_it_does_not_show_without_the_value(key: str) -> None:
    def fails(case: Case) -> bool:
        try:
            return not holds(case, without(merged(*case.base), key))
        except helm_python.HelmError:
            return True

    assert any(fails(case) for case in CASES if case.key == key)


@pytest.mark.parametrize("key,values,words", REFUSALS, ids=lambda part: part if isinstance(part, str) else "")
def test_what_cannot_work_is_refused(key: str, values: dict, words: str) -> None:
    with pytest.raises(Exception) as refusal:
        objects(values)
    sentence = re.search(rf"^\s*{re.escape(key)}[.: ].*$", str(refusal.value), re.MULTILINE)
    assert sentence and words in sentence[0], refusal.value


@pytest.mark.parametrize("key", leaves(DEFAULTS))
def test_every_value_has_a_case(key: str) -> None:
    named = {case.key for case in CASES} | {key for key, _, _ in REFUSALS}
    assert key in named


def test_defaults_install() -> None:
    kinds = sorted(thing["kind"] for thing in objects({}))
    assert kinds == [
        *("ConfigMap", "Deployment", "NetworkPolicy", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Service", "ServiceAccount"),
    ]


@pytest.mark.parametrize(
    "release,name", [("mlflow", "mlflow"), ("my-mlflow", "my-mlflow"), ("ferroflow", "ferroflow"), ("ml", "ml-mlflow")]
)
def test_names_follow_the_release(release: str, name: str) -> None:
    found = objects({}, name=release)
    assert look(found, "Deployment: metadata.name") == look(found, "Service: metadata.name") == name
    assert look(found, "Deployment: spec.selector.matchLabels") == {
        "app": "mlflow",
        "app.kubernetes.io/name": "mlflow",
        "app.kubernetes.io/instance": release,
    }


def test_names_stay_short_enough() -> None:
    values = {
        **{"fullnameOverride": "x" * 80, "gc": {"enabled": True}, "migration": {"mode": "job"}},
        "backendStore": {"databaseMigration": True, "postgres": {"enabled": True, "host": "h", "user": "u"}},
        "artifactRoot": {"s3": {"enabled": True, "bucket": "b"}},
    }
    for thing in objects(values):
        assert len(thing["metadata"]["name"]) <= (52 if thing["kind"] == "CronJob" else 63), thing["metadata"]["name"]


def test_other_pods_are_not_taken_for_the_server() -> None:
    values = {
        "gc": {"enabled": True},
        "migration": {"mode": "job"},
        "backendStore": {"databaseMigration": True, "postgres": {"enabled": True, "host": "h", "user": "u"}},
        "artifactRoot": {"s3": {"enabled": True, "bucket": "b"}},
    }
    found = objects(values)
    selector = look(found, "Service: spec.selector")
    for where in ["Job: spec.template", "CronJob: spec.jobTemplate.spec.template", "Pod: "]:
        labels = look(found, f"{where}.metadata.labels".replace(": .", ": "))
        assert labels and not selector.items() <= labels.items(), where
        assert labels["app"] != "mlflow", where


def test_changed_secrets_roll_pods() -> None:
    def sums(password: str) -> dict:
        values = {"backendStore": {"postgres": {"enabled": True, "host": "h", "user": "u", "password": password}}}
        return look(objects(values), "Deployment: spec.template.metadata.annotations")

    assert sums("a")["checksum/secret"] != sums("b")["checksum/secret"]
    assert sums("a")["checksum/config"] == sums("b")["checksum/config"]


def test_a_job_gets_another_name_when_it_has_to_run_again() -> None:
    def name(tag: str, host: str) -> str:
        values = {
            "image": {"tag": tag},
            "migration": {"mode": "job"},
            "backendStore": {"databaseMigration": True, "postgres": {"enabled": True, "host": host, "user": "u"}},
        }
        return look(objects(values), "Job: metadata.name")

    assert name("1.0.0", "a") == name("1.0.0", "a")
    assert len({name("1.0.0", "a"), name("1.1.0", "a"), name("1.0.0", "b")}) == 3
