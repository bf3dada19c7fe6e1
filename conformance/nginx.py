"""nginx before several servers, configured as docs/replicas.md says, or as a test does."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from ports import free_port
from servers import REPOSITORY, Server

MISSING = "nginx was not found; run conformance/setup.sh (it is required, not optional)"
DOCUMENT = REPOSITORY / "docs" / "replicas.md"


class Nginx:
    """A running nginx, which asks one server after the other; or does what `http` says, where PORT is its port."""

    def __init__(self, servers: list[Server], log: Path, http: str = "") -> None:
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not Path(program).is_file():
            raise RuntimeError(MISSING)
        self.port = free_port()
        self._log = log
        self._directory = Path(tempfile.mkdtemp(prefix="ferroflow-conformance-nginx-"))
        temporary = "".join(f"{kind}_temp_path {self._directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        blocks = http.replace("PORT", str(self.port)) or self._documented(servers)
        configuration = self._directory / "nginx.conf"
        configuration.write_text(
            f"daemon off;\nmaster_process off;\npid {self._directory}/pid;\nerror_log {self._directory}/error.log warn;\n"
            "events { worker_connections 512; }\nhttp {\n"
            f"log_format upstreams '$request_method $uri $status $upstream_addr $upstream_status';\n"
            f"access_log {self._directory}/access.log upstreams;\n{temporary}{blocks}\n}}\n"
        )
        self._process = subprocess.Popen([program, "-p", str(self._directory), "-c", str(configuration)], stderr=subprocess.PIPE)
        self._wait()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def accesses(self) -> str:
        """One line a request: method, path, status, servers asked and what they said."""
        return (self._directory / "access.log").read_text()

    def errors(self) -> str:
        """What nginx complained about."""
        return (self._directory / "error.log").read_text()

    def stop(self) -> None:
        """Ends it and removes its files but the logs."""
        self._process.terminate()
        self._process.wait(30)
        self._log.write_text(self.errors() + self.accesses())
        shutil.rmtree(self._directory)

    def _documented(self, servers: list[Server]) -> str:
        """The configuration for people, with the tests' places."""
        (text,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        listed, count = re.subn(
            r"( *server )\S+( max_fails=0;\n)(?: *server \S+ max_fails=0;\n)+",
            lambda found: "".join(f"{found[1]}127.0.0.1:{server.port}{found[2]}" for server in servers),
            text,
        )
        listed, ports = re.subn(r"listen 80;", f"listen 127.0.0.1:{self.port};", listed)
        assert (count, ports) == (1, 1), "docs/replicas.md lists the servers once, and the port"
        return listed

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"nginx did not start:\n{self._process.communicate()[1].decode()}")
