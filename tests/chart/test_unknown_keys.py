"""A key that the chart does not know is an error that names the nearest one."""

import subprocess
import sys

import pytest
from rendering import ROOT, objects


@pytest.mark.parametrize(
    "values,words",
    [
        ({"replicaCuont": 2}, "replicaCuont is not a value of this chart. Did you mean replicaCount?"),
        ({"ingres": {"enabled": True}}, "ingres is not a value of this chart. Did you mean ingress?"),
        ({"backendStore": {"databaseMigartion": True}}, "Did you mean backendStore.databaseMigration?"),
        ({"backendStore": {"postgres": {"Host": "h"}}}, "Did you mean backendStore.postgres.host?"),
        ({"ingress": {"hosts": [{"hots": "a"}]}}, "ingress.hosts[0].hots is not a value of this chart. Did you mean ingress.hosts[0].host?"),
        ({"ingress": {"hosts": [{"host": "a", "paths": [{"type": "Prefix"}]}]}}, "ingress.hosts[0].paths[0].type is not"),
        ({"databaseConnectionCheck": True}, "Did you mean backendStore.databaseConnectionCheck?"),
        ({"livenessProbe": {"periodSecond": 3}}, "Did you mean livenessProbe.periodSeconds?"),
        ({"persistence": {"quux": 1}}, "Known are: accessModes, annotations, enabled, existingClaim, size, storageClass."),
    ],
)  # fmt: skip
def test_the_nearest_key_is_named(values: dict, words: str) -> None:
    with pytest.raises(Exception) as refusal:
        objects(values)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "values",
    [
        {"ingress": {"annotations": {"anything": "goes"}}},
        {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
        {"auth": {"enabled": False, "adminUsername": "a"}},
        {"initImages": {"dbchecker": {"repository": "busybox", "tag": "1.38.0", "pullPolicy": "Always"}}},
        {"global": {"imageRegistry": "r"}},
    ],
)
def test_below_some_keys_anything_goes(values: dict) -> None:
    assert objects(values)


@pytest.mark.parametrize(
    "values,where",
    [
        ({"replicaCount": "two"}, "replicaCount"),
        ({"replicaCount": -1}, "replicaCount"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"image": {"digest": "sha256:0"}}, "digest"),
        ({"service": {"port": 70000}}, "port"),
        ({"log": {"level": "loud"}}, "level"),
        ({"ingress": {"hosts": [{"host": "a", "paths": [{"path": "/", "pathType": "Sometimes"}]}]}}, "pathType"),
        ({"extraEnvVars": {"A": ["b"]}}, "extraEnvVars"),
        ({"extraSecretNamesForEnvFrom": "s"}, "extraSecretNamesForEnvFrom"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(values: dict, where: str) -> None:
    with pytest.raises(Exception) as refusal:
        objects(values)
    assert where in str(refusal.value) and "schema" in str(refusal.value)


def test_the_schema_and_the_known_keys_are_up_to_date() -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts/chart-schema"), "--check"], check=True)
