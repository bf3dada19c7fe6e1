"""The name server of the world around the cluster: the seed's domain, which takes ACME's answers, and Azure's names."""

from __future__ import annotations

import base64
import secrets
import shutil

from node import ADDRESS
from processes import STATE, Processes, output

STORE_ADDRESS = "10.88.0.2"
DOMAIN = "frakma.io"
# The key by which the domain's records may be changed (RFC 2136).
KEY_NAME = "acme"
ZONE = """$TTL 1
@ IN SOA ns.{zone}. admin.{zone}. 1 60 60 3600 1
@ IN NS ns.{zone}.
ns IN A {address}
{records}
"""


def start(processes: Processes) -> str:
    """Starts it; answers the secret of the key."""
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    folder = STATE / "zones"
    folder.mkdir()
    zones = {DOMAIN: f"mlflow IN A {ADDRESS}", "blob.core.windows.net": f"warbleosstate IN A {STORE_ADDRESS}"}
    for zone, records in zones.items():
        (folder / zone).write_text(ZONE.format(zone=zone, address=ADDRESS, records=records))
    (folder / "named.conf").write_text(
        f"""
options {{
    directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}";
    listen-on {{ {ADDRESS}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
key {KEY_NAME} {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "{DOMAIN}" {{ type primary; file "{DOMAIN}"; update-policy {{ grant {KEY_NAME} zonesub ANY; }}; }};
zone "blob.core.windows.net" {{ type primary; file "blob.core.windows.net"; }};
"""
    )
    program = shutil.which("named") or "/usr/sbin/named"
    processes.start("names", program, "-g", "-c", folder / "named.conf")
    processes.until("the name server", lambda: ADDRESS in _look_up(f"mlflow.{DOMAIN}"))
    return secret


def _look_up(name: str) -> str:
    try:
        return output("getent", "ahostsv4", name, seconds=20)
    except RuntimeError:
        return ""
