"""A way to a store that can fail: it answers 503, breaks connections, refuses them, or stands still."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: 62\r\n\r\n"
    b"<Error><Code>ServerBusy</Code><Message>busy</Message></Error>\n"
)
CHUNK = 65536


class FaultyWay:
    """Passes connections on to a port, as long as `fault` is empty.

    `busy` answers 503 to whatever is asked, `reset` breaks connections as soon as something is sent on them, `stalled` holds
    back everything until the fault is over.
    """

    def __init__(self, to: int, port: int = 0) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._changed = threading.Condition()
        self._fault = ""
        self._breaks: dict[str, int] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self, fault: str) -> None:
        """From now on."""
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    def mend(self) -> None:
        """From now on all is well."""
        self.fail("")

    def break_once_after(self, count: int, direction: str) -> None:
        """Breaks the connection over which the byte of this number comes, counted over all of them: `up` to the store or `down`."""
        with self._changed:
            self._breaks[direction] = count

    def has_broken(self, direction: str) -> bool:
        """Whether it did."""
        with self._changed:
            return direction not in self._breaks

    def close(self) -> None:
        """Ends it. Those who come now are refused."""
        # A thread that waits for a connection would keep the port open.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for ends in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        try:
            while data := source.recv(CHUNK):
                if not self._pass(data, source, sink, direction):
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _pass(self, data: bytes, source: socket.socket, sink: socket.socket, direction: str) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._fault != "stalled")
            fault = self._fault
            if direction in self._breaks:
                self._breaks[direction] -= len(data)
                if self._breaks[direction] < 0:
                    del self._breaks[direction]
                    fault = "reset"
        if fault == "busy" and direction == "up":
            source.sendall(BUSY)
            source.shutdown(socket.SHUT_WR)
            # What the client is still sending must be read, or the system breaks the connection before the answer is.
            while source.recv(CHUNK):
                pass
            source.close()
            sink.close()
            return False
        if fault == "reset":
            for end in (source, sink):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # The other thread that waits at this end would keep it open.
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RD)
                end.close()
            return False
        sink.sendall(data)
        return True
