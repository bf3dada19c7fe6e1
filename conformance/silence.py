"""A way to a server that goes dead without a word, as when its machine loses its power: nothing comes back, not even a refusal."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading

SO_ATTACH_FILTER = 26
# A socket filter of one instruction: keep 0 bytes of whatever comes, so that the system drops it without a receipt.
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


class Way:
    """Passes connections on to a port, until it falls silent."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """From now on nothing is heard by this side, and so nothing is answered."""
        for end in [self._listener, *self._ends]:
            _drop_all(end)

    def close(self) -> None:
        """Ends it."""
        for end in [self._listener, *self._ends]:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            self._ends.append(client)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _drop_all(end: socket.socket) -> None:
    program = ctypes.create_string_buffer(DROP_ALL)
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
