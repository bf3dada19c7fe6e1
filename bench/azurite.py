"""The store under the transfers: Azurite, with what it keeps in files."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from databases import free_port

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = REPOSITORY / "conformance" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
PYTHON = REPOSITORY / ".venv" / "bin" / "python"
CONTAINER = "bench"
# Azurite's account, which everybody knows.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_TIMEOUT = 60.0
# This program needs nothing but Python; the client of Azure is in the virtual environment.
EMPTY = """
import sys
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
container = BlobServiceClient.from_connection_string(sys.argv[1]).get_container_client(sys.argv[2])
try:
    container.create_container()
except ResourceExistsError:
    for name in container.list_blob_names():
        container.delete_blob(name)
"""


class Azurite:
    """A running Azurite with an empty container."""

    def __init__(self, directory: Path) -> None:
        if not PROGRAM.exists():
            raise RuntimeError("Azurite was not found: run conformance/setup.sh")
        directory.mkdir(parents=True)
        self._port = free_port()
        options = ("--location", str(directory), "--skipApiVersionCheck", "--disableTelemetry", "--silent")
        command = [str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(self._port), *options]
        with open(directory / "log", "wb") as log:
            self._process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=subprocess.STDOUT)
        self._wait()
        self.clear()

    def uri(self, folder: str) -> str:
        """A folder in the container, as MLflow writes it."""
        return f"wasbs://{CONTAINER}@{ACCOUNT}.blob.core.windows.net/{folder}"

    def settings(self) -> tuple[tuple[str, str], ...]:
        """The environment of who reads and writes here."""
        endpoint = f"http://127.0.0.1:{self._port}/{ACCOUNT}"
        connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint};"
        return (("AZURE_STORAGE_CONNECTION_STRING", connection),)

    def clear(self) -> None:
        """Makes the container, or deletes all that is in it."""
        (_, connection), *_ = self.settings()
        subprocess.run([PYTHON, "-c", EMPTY, connection, CONTAINER], check=True)

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(30)

    @staticmethod
    def version() -> str:
        """What the program says of itself."""
        return subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=60).stdout.strip()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("Azurite did not start")
