"""What stands for Azure's logins in the tests: Microsoft Entra's token endpoint, and the one that a machine's identity has.

Tokens are unsigned: Azurite looks at what they say (for whom, from whom, until when), not at who signed them.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
MACHINE_HEADER = "the-header-of-this-machine"


@dataclass
class Login:
    """A login on a loopback port. It gives a token for one client secret or assertion, or to who has the machine's header."""

    secret: str = ""
    assertion: str = ""
    valid_seconds: int = 3600
    requests: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        login = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
                login._answer(self, asked | {"path": self.path}, login._is_known(self.path, asked))

            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                asked = {name: values[0] for name, values in query.items()}
                is_machine = self.headers.get("X-IDENTITY-HEADER") == MACHINE_HEADER and self.headers.get("Metadata") == "true"
                login._answer(self, asked, is_machine)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()

    def _is_known(self, path: str, asked: dict[str, str]) -> bool:
        is_ours = path == f"/{TENANT}/oauth2/v2.0/token" and asked.get("client_id") == CLIENT
        by_secret = bool(self.secret) and asked.get("client_secret") == self.secret
        by_assertion = bool(self.assertion) and asked.get("client_assertion") == self.assertion
        return is_ours and asked.get("scope") == "https://storage.azure.com/.default" and (by_secret or by_assertion)

    def _answer(self, handler: BaseHTTPRequestHandler, asked: dict[str, str], is_known: bool) -> None:
        self.requests.append(asked)
        body: dict[str, Any] = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
        if is_known:
            token = _token(self.valid_seconds, len(self.tokens))
            self.tokens.append(token)
            ends = {"expires_in": self.valid_seconds, "expires_on": str(int(time.time()) + self.valid_seconds)}
            body = {"access_token": token, "token_type": "Bearer", "resource": "https://storage.azure.com", **ends}
        content = json.dumps(body).encode()
        handler.send_response(200 if is_known else 401)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def _token(valid_seconds: int, number: int) -> str:
    now = int(time.time())
    about = {
        **{"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{TENANT}/", "oid": CLIENT, "tid": TENANT},
        **{"iat": now - 5, "nbf": now - 5, "exp": now + valid_seconds, "jti": str(number)},
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, about)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "unsigned"])
