"""Debian's nginx, configured from an Ingress as ingress-nginx would configure its own: bodies have limits there, and are buffered.

Only what the chart's annotations touch is here. The backend is the Service's address; ingress-nginx goes to the pods themselves.
"""

from __future__ import annotations

import base64
import json
import shutil
from typing import Any

from node import kubectl
from processes import STATE, Processes

ADDRESS = "10.88.0.3"
PREFIX = "nginx.ingress.kubernetes.io/"
# ingress-nginx's own, where an Ingress says nothing.
DEFAULTS = {"proxy-body-size": "1m", "proxy-request-buffering": "on", "proxy-read-timeout": "60", "proxy-send-timeout": "60"}


def start(processes: Processes, name: str, namespace: str, ingress: dict[str, Any]) -> None:
    """Serves the Ingress, which has one host and one path, at `ADDRESS`."""
    given = {key.removeprefix(PREFIX): value for key, value in ingress["metadata"]["annotations"].items() if key.startswith(PREFIX)}
    settings = {**DEFAULTS, **given}
    (tls,), (rule,) = ingress["spec"]["tls"], ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = path["backend"]["service"]
    backend = kubectl("-n", namespace, "get", "service", service["name"], "-o", "jsonpath={.spec.clusterIP}")
    folder = STATE / name
    folder.mkdir()
    secrets = {"tls.crt": tls["secretName"], "tls.key": tls["secretName"], "auth": settings["auth-secret"]}
    for key, secret in secrets.items():
        data = json.loads(kubectl("-n", namespace, "get", "secret", secret, "-o", "json"))["data"]
        (folder / key).write_bytes(base64.b64decode(data[key]))
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
daemon off; user root; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    {temporary}
    server {{
        listen {ADDRESS}:443 ssl; server_name {rule["host"]};
        ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
        location {path["path"]} {{
            auth_basic ""; auth_basic_user_file {folder}/auth; proxy_set_header Authorization "";
            client_max_body_size {settings["proxy-body-size"]};
            proxy_request_buffering {settings["proxy-request-buffering"]};
            proxy_read_timeout {settings["proxy-read-timeout"]}s; proxy_send_timeout {settings["proxy-send-timeout"]}s;
            proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Connection "";
            proxy_pass http://{backend}:{service["port"]["number"]};
        }}
    }}
}}
""")
    processes.start(name, shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf")
