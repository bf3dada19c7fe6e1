"""A plain HTTP client that sends exactly what it is given (no path clean-up, no redirects) over one connection."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request. `path` is sent as it stands; `body` is JSON unless it is bytes."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    def target(self) -> str:
        """The request target with its query."""
        return self.path + ("?" + urllib.parse.urlencode(self.query) if self.query else "")

    def payload(self) -> bytes | None:
        """The bytes of the body."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()

    def all_headers(self) -> dict[str, str]:
        """The headers, with the JSON content type for a JSON body unless another one is given."""
        headers = dict(self.headers)
        given = {name.lower() for name in headers}
        if self.body is not None and not isinstance(self.body, bytes) and "content-type" not in given:
            headers["Content-Type"] = "application/json"
        return headers


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def is_json(self) -> bool:
        """Whether the answer says that it is JSON."""
        return self.media_type() == "application/json"

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class Connection:
    """A kept-alive connection to one server, opened again when the server closed it."""

    def __init__(self, port: int, timeout: float = 60.0) -> None:
        self.port = port
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def send(self, request: Request) -> Answer:
        """Sends a request; tries a second time if a kept connection turned out to be closed."""
        was_open = self._connection is not None
        try:
            return self._send_once(request)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            if not was_open:
                raise
            return self._send_once(request)

    def close(self) -> None:
        """Closes the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send_once(self, request: Request) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._timeout)
        connection = self._connection
        connection.request(request.method, request.target(), body=request.payload(), headers=request.all_headers())
        response = connection.getresponse()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self.close()
        return Answer(response.status, headers, body)
