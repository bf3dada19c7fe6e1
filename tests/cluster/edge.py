"""What leads to the tracker: cert-manager with an ACME server, and Traefik, which takes ingress-nginx's place."""

from __future__ import annotations

import json
import ssl
import urllib.request
from pathlib import Path

import certificates
from names import KEY_NAME
from node import ADDRESS, KUBECONFIG, kubectl
from processes import PROGRAMS, STATE, Processes, say, succeeds

HERE = Path(__file__).resolve().parent
# Let's Encrypt's place: Pebble, whose roots are made anew at each start.
DIRECTORY, MANAGEMENT = f"https://{ADDRESS}:14000/dir", f"https://{ADDRESS}:15000"
ROOTS = STATE / "letsencrypt-ca.pem"


def start_certificates(processes: Processes, key: str) -> None:
    """Starts Pebble and cert-manager, and gives the cluster the issuer that the seed names."""
    certificates.make_authority(STATE, "pebble-ca")
    certificates.make(STATE, "pebble", subject="pebble", authority="pebble-ca", host=f"IP:{ADDRESS}")
    settings = {
        "listenAddress": f"{ADDRESS}:14000",
        "managementListenAddress": f"{ADDRESS}:15000",
        "certificate": str(STATE / "pebble.pem"),
        "privateKey": str(STATE / "pebble.key"),
        "httpPort": 80,
        "tlsPort": 443,
    }
    (STATE / "pebble.json").write_text(json.dumps({"pebble": settings}))
    command = ("pebble", "-config", STATE / "pebble.json", "-dnsserver", f"{ADDRESS}:53", "-strict")
    processes.start("pebble", *command, environment={"PEBBLE_VA_NOSLEEP": "1"})
    trust = ssl.create_default_context(cafile=str(STATE / "pebble-ca.pem"))

    def fetch_roots() -> bool:
        try:
            ROOTS.write_bytes(urllib.request.urlopen(f"{MANAGEMENT}/roots/0", context=trust, timeout=5).read())
            return True
        except OSError:
            return False

    processes.until("Pebble", fetch_roots)
    kubectl("apply", "--server-side", "-f", str(PROGRAMS / "cert-manager-crds.yaml"))
    kubectl("create", "namespace", "cert-manager")
    kubectl("-n", "cert-manager", "create", "secret", "generic", "dns", f"--from-literal=secret={key}")
    processes.start(
        "cert-manager",
        PROGRAMS / "cert-manager-controller",
        *(f"--kubeconfig={KUBECONFIG}", "--leader-elect=false", "--cluster-resource-namespace=cert-manager"),
        *(f"--dns01-recursive-nameservers={ADDRESS}:53", "--dns01-recursive-nameservers-only"),
    )
    solver = {
        "dns01": {
            "rfc2136": {
                "nameserver": f"{ADDRESS}:53",
                "tsigKeyName": KEY_NAME,
                "tsigAlgorithm": "HMACSHA256",
                "tsigSecretSecretRef": {"name": "dns", "key": "secret"},
            }
        }
    }
    acme = {
        "server": DIRECTORY,
        "skipTLSVerify": True,
        "privateKeySecretRef": {"name": "letsencrypt-prod"},
        "solvers": [solver],
    }
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "letsencrypt-prod"}, "spec": {"acme": acme}}
    kubectl("wait", "--for=condition=Established", "crd/clusterissuers.cert-manager.io", "--timeout=60s")
    kubectl("apply", "-f", "-", given=json.dumps(issuer))
    kubectl("apply", "-f", str(HERE / "seed" / "certificate.yaml"))
    say("cert-manager is at work on the seed's certificate, which takes two to three minutes")


def certificate_is_there() -> bool:
    """Whether the seed's certificate has been issued."""
    ready = ("-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
    return kubectl("-n", "warble-system", "get", "certificate", "frakma-io-wildcard", *ready) == "True"


def copy_certificate(namespace: str) -> None:
    """Does what the seed leaves to a reflector: copies the secret to another namespace."""
    secret = json.loads(kubectl("-n", "warble-system", "get", "secret", "frakma-io-wildcard-tls", "-o", "json"))
    copied = {"apiVersion": "v1", "kind": "Secret", "type": secret["type"], "data": secret["data"]}
    kubectl("apply", "-f", "-", given=json.dumps({**copied, "metadata": {"name": "frakma-io-wildcard-tls", "namespace": namespace}}))


def start_ingress(processes: Processes) -> None:
    """Starts Traefik, which reads Ingresses of the class nginx as ingress-nginx does."""
    ingress_class = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }
    kubectl("apply", "-f", "-", given=json.dumps(ingress_class))
    folder = STATE / "traefik"
    folder.mkdir()
    processes.start(
        "traefik",
        PROGRAMS / "traefik",
        "--providers.kubernetesingressnginx=true",
        *(f"--entrypoints.http.address={ADDRESS}:80", f"--entrypoints.https.address={ADDRESS}:443"),
        # Uploads of any length: Traefik breaks off after a minute otherwise.
        *("--entrypoints.https.transport.respondingtimeouts.readtimeout=0s", "--global.checknewversion=false", "--global.sendanonymoususage=false"),
        *("--log.level=INFO", "--accesslog=true", f"--accesslog.filepath={STATE}/traefik/access.log"),
        environment={"KUBECONFIG": str(KUBECONFIG)},
        folder=folder,
    )
    processes.until("Traefik", lambda: succeeds("openssl", "s_client", "-connect", f"{ADDRESS}:443", "-brief"), 60)
