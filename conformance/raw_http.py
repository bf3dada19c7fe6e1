"""Requests that are sent byte for byte as they are written: no client cleans up their paths on the way."""

from __future__ import annotations

import http.client
import socket

from http_client import Answer


class RawConnection:
    """A kept-alive connection, opened again when the server closed it."""

    def __init__(self, port: int, timeout: float = 60.0) -> None:
        self._address = ("127.0.0.1", port)
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def send(self, method: str, target: bytes, body: bytes = b"") -> Answer:
        """Sends a request with exactly this target, and reads the whole answer."""
        head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method.encode(), target, len(body))
        was_open = self._socket is not None
        try:
            return self._send_once(method, head + body)
        except (ConnectionError, http.client.BadStatusLine):
            self.close()
            if not was_open:
                raise
            return self._send_once(method, head + body)

    def close(self) -> None:
        """Closes the connection; the next request opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_once(self, method: str, request: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        response = http.client.HTTPResponse(self._socket, method=method)
        response.begin()
        content = response.read()
        if response.will_close:
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


def begin_upload(port: int, target: str, length: int, sent: bytes) -> socket.socket:
    """Begins a PUT of so many bytes; the caller sends the rest, or does not."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60.0)
    head = f"PUT {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    client.sendall(head.encode() + sent)
    return client


def answer_of(client: socket.socket) -> Answer:
    """The answer to what was sent."""
    response = http.client.HTTPResponse(client, method="PUT")
    response.begin()
    content = response.read()
    client.close()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
