"""A receiver of webhooks: a real HTTP server on a free loopback port that keeps what it gets.

The path says how it behaves: `/status/503` answers that, `/redirect` leads to `/stolen`, `/slow` answers after a while, `/mute`
never does, `/flaky/2` answers 503 twice and then 200, everything else 200. Every answer has a body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SLOW = 1.5
MUTE = 60.0
SAID = "what the receiver says is nobody else's business"


@dataclass(frozen=True)
class Message:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    def delivery_id(self) -> str:
        """The id by which receivers know what they have seen."""
        return self.headers["x-mlflow-delivery-id"]

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature is right, by the way that MLflow's documentation has it."""
        signed = f"{self.delivery_id()}.{self.headers['x-mlflow-timestamp']}.{self.body.decode()}"
        digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        return hmac.compare_digest(expected, self.headers.get("x-mlflow-signature", ""))


class Receiver:
    """A running receiver; with a certificate, `name.pem` beside `name.key`, it speaks TLS."""

    def __init__(self, certificate: Path | None = None) -> None:
        self._messages: list[Message] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str = "/ok") -> str:
        """A URL of this receiver."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def messages(self, path: str | None = None) -> list[Message]:
        """What has come so far, in order; to one path or to all."""
        with self._lock:
            return [message for message in self._messages if path in (None, message.path)]

    def wait_for(self, count: int, path: str | None = None, timeout: float = 20.0) -> list[Message]:
        """Waits until so many have come, and a moment longer for one too many."""
        wait_until(lambda: len(self.messages(path)) >= count, timeout, lambda: f"{len(self.messages(path))} of {count} came to {path}")
        time.sleep(0.3)
        return self.messages(path)

    def stop(self) -> None:
        """Closes the port."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._lock:
                    before = sum(message.path == self.path for message in receiver._messages)
                    receiver._messages.append(Message(self.command, self.path, headers, body, time.monotonic()))
                self._answer(*self.path.strip("/").partition("/")[::2], before)

            do_GET = do_POST

            def _answer(self, kind: str, argument: str, before: int) -> None:
                status = 200
                if kind == "status":
                    status = int(argument)
                elif kind == "redirect":
                    status = 302
                elif kind == "flaky":
                    status = 503 if before < int(argument) else 200
                elif kind in ("slow", "mute"):
                    receiver._stopped.wait(SLOW if kind == "slow" else MUTE)
                said = b"" if status == 204 else SAID.encode()
                try:
                    self.send_response(status)
                    if kind == "redirect":
                        self.send_header("Location", "/stolen")
                    if status != 204:
                        self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)
                except OSError:
                    # Who asked has hung up.
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler


def wait_until(holds: Callable[[], bool], timeout: float, otherwise: Callable[[], str]) -> None:
    """Returns when it holds; fails with a text when it does not in time."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
