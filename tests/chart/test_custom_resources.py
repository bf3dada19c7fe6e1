"""Custom resources, by validators that are made from their definitions."""

import json
import subprocess
from pathlib import Path

from cases import AZURE, HTPASSWD, INGRESS, POSTGRES, ROUTE, SHA
from rendering import Object, look, merged, objects, of_kind

CRDS = Path(__file__).parent / "crds"
VALIDATED = {"Certificate", "ClusterIssuer", "ExternalSecret", "HTTPRoute"}

ISSUER = {
    "clusterIssuer": {
        "enabled": True,
        "email": "a@example.com",
        "cloudflare": {"apiTokenSecret": {"name": "t"}, "dnsZones": ["example"]},
    }
}
CERTIFICATE = {
    "certificate": {
        "enabled": True,
        "namespace": "certs",
        "dnsNames": ["*.example", "example"],
        "duration": "2160h",
        "renewBefore": "360h",
        "reflectTo": ["mlflow", "airflow"],
    }
}
EXTERNAL = {
    "externalSecrets": {
        "enabled": True,
        "secretStoreRef": {"name": "vault"},
        "secrets": [
            {"name": "a", "data": [{"secretKey": "password", "remoteRef": {"key": "db", "property": "password"}}]},
            {"name": "b", "dataFrom": [{"extract": {"key": "storage"}}]},
        ],
    }
}
LONG_ROUTE = {"httpRoute": {"timeouts": {"request": "0s"}, "filters": [{"type": "RequestHeaderModifier",
              "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}]}}  # fmt: skip

SAMPLES = [
    merged(POSTGRES, AZURE, INGRESS, ISSUER, CERTIFICATE, EXTERNAL),
    merged(ROUTE, LONG_ROUTE),
    merged(ROUTE, {"basicAuth": {"enabled": True, "controller": "traefik", "entries": [HTPASSWD]}}),
    merged(ROUTE, {"basicAuth": {"enabled": True, "controller": "nginx-gateway-fabric", "entries": [HTPASSWD]}}),
    merged(ROUTE, {"basicAuth": {"enabled": True, "controller": "envoy-gateway", "entries": [SHA]}}),
]


def verdicts(things: list[Object]) -> list[str]:
    done = subprocess.run(
        ["node", "validate.mjs"], cwd=CRDS, input=json.dumps(things), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_they_are_valid() -> None:
    things = [thing for sample in SAMPLES for thing in objects(sample) if thing["kind"] in VALIDATED]
    assert {thing["kind"] for thing in things} == VALIDATED
    assert [f"{thing['kind']}: {said}" for thing, said in zip(things, verdicts(things), strict=True) if said] == []


def test_what_is_not_valid_would_be_found() -> None:
    certificate = of_kind(objects(SAMPLES[0]), "Certificate")
    certificate["spec"]["dnsNames"] = "example"
    route = of_kind(objects(SAMPLES[1]), "HTTPRoute")
    del route["spec"]["rules"][0]["matches"][0]["path"]["value"]
    route["spec"]["parentRefs"] = {}
    assert all(verdicts([certificate, route]))


def test_wildcard_and_apex_as_in_the_deployment() -> None:
    found = objects(
        {
            "clusterIssuer": {"enabled": True, "cloudflare": {"apiTokenSecret": {"name": "cloudflare"}}},
            "certificate": {
                "enabled": True,
                "namespace": "warble-system",
                "secretName": "frakma-io-wildcard-tls",
                "dnsNames": ["*.frakma.io", "frakma.io"],
            },
        }
    )
    assert look(found, "Certificate: metadata.namespace") == "warble-system"
    spec = look(found, "Certificate: spec")
    assert spec["secretName"] == "frakma-io-wildcard-tls"
    assert spec["dnsNames"] == ["*.frakma.io", "frakma.io"]
    assert spec["issuerRef"] == {"name": "letsencrypt-prod", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert look(found, "ClusterIssuer: metadata.name") == "letsencrypt-prod"


def test_a_policy_and_filters_point_to_the_route_and_the_secret() -> None:
    """These have no validators to be had; so their fields are here, as their projects' documents have them."""
    traefik, fabric, envoy = (objects(sample) for sample in SAMPLES[2:])
    assert of_kind(traefik, "Middleware")["apiVersion"] == "traefik.io/v1alpha1"
    assert look(traefik, "Middleware: spec") == {
        "basicAuth": {"secret": "mlflow-basic-auth", "realm": "MLflow", "removeHeader": True}
    }
    assert of_kind(fabric, "AuthenticationFilter")["apiVersion"] == "gateway.nginx.org/v1alpha1"
    assert look(fabric, "AuthenticationFilter: spec") == {
        "type": "Basic",
        "basic": {"secretRef": {"name": "mlflow-basic-auth"}, "realm": "MLflow"},
    }
    assert of_kind(envoy, "SecurityPolicy")["apiVersion"] == "gateway.envoyproxy.io/v1alpha1"
    assert look(envoy, "SecurityPolicy: spec") == {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "mlflow"}],
        "basicAuth": {"users": {"name": "mlflow-basic-auth"}},
    }
