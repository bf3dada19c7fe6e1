"""What the seed's cluster has outside of the tracker: the shared PostgreSQL, and Azure's blobs."""

from __future__ import annotations

import base64
import glob
import secrets
import shutil
import socket
from pathlib import Path

from azure.storage.blob import BlobServiceClient, ContainerClient

import certificates
from names import STORE_ADDRESS
from node import ADDRESS, kubectl
from processes import LOGS, REPOSITORY, STATE, Processes, output

ACCOUNT, CONTAINER = "warbleosstate", "mlflow-artifacts"
STORE = f"{ACCOUNT}.blob.core.windows.net"
AZURITE = REPOSITORY / "conformance" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
BLOBS = REPOSITORY / "target" / "cluster" / "blobs"
SERVICE = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: warble-system}}
---
apiVersion: v1
kind: Service
metadata: {{name: postgresql, namespace: warble-system}}
spec:
  ports: [{{name: postgresql, port: 5432}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: postgresql
  namespace: warble-system
  labels: {{kubernetes.io/service-name: postgresql}}
addressType: IPv4
endpoints: [{{addresses: ["{ADDRESS}"]}}]
ports: [{{name: postgresql, port: 5432}}]
"""


class Database:
    """PostgreSQL as `postgresql.warble-system.svc.cluster.local`, with the seed's user and database."""

    def __init__(self) -> None:
        self._folder = STATE / "postgresql"
        self._folder.mkdir()
        shutil.chown(self._folder, "postgres")
        self._as_owner("initdb", "-D", self._folder / "data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
        with open(self._folder / "data" / "pg_hba.conf", "w") as rules:
            rules.write("local all all trust\nhost all all 10.0.0.0/8 scram-sha-256\n")
        self.up()
        self.execute("CREATE ROLE warble LOGIN PASSWORD 'warble'")
        self.execute("CREATE DATABASE mlflow OWNER warble")
        kubectl("apply", "-f", "-", given=SERVICE)

    def up(self) -> None:
        """Starts it."""
        options = f"-c listen_addresses={ADDRESS} -c fsync=off -c max_connections=200 -k {self._folder}"
        self._as_owner("pg_ctl", "-D", self._folder / "data", "-o", options, "-l", self._folder / "log", "-w", "start")

    def down(self) -> None:
        """Stops it."""
        self._as_owner("pg_ctl", "-D", self._folder / "data", "-m", "fast", "-w", "stop")

    def empty(self) -> None:
        """Makes the seed's database anew."""
        self.execute("DROP DATABASE IF EXISTS mlflow WITH (FORCE)")
        self.execute("CREATE DATABASE mlflow OWNER warble")

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Runs a statement as the database's administrator; answers its rows, a line each."""
        return output(_program("psql"), "-h", self._folder, "-U", "postgres", "-d", database, "-At", "-c", statement).strip()

    def stop(self) -> None:
        """Stops it for good, and keeps its log."""
        try:
            self.down()
        finally:
            shutil.copy(self._folder / "log", LOGS / "postgresql.log")

    def _as_owner(self, program: str, *arguments: str | Path) -> None:
        output("runuser", "-u", "postgres", "--", _program(program), *arguments)


class Store:
    """Azurite as `warbleosstate.blob.core.windows.net`, by TLS from a CA of the tests, with the seed's container."""

    def __init__(self, processes: Processes) -> None:
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        certificates.make_authority(STATE, "azure-ca")
        certificates.make(STATE, "azure", subject=STORE, authority="azure-ca", host=f"DNS:{STORE}")
        self.authority = STATE / "azure-ca.pem"
        shutil.rmtree(BLOBS, ignore_errors=True)
        BLOBS.mkdir(parents=True)
        options = ("--location", BLOBS, "--skipApiVersionCheck", "--disableTelemetry", "--silent")
        tls = ("--cert", STATE / "azure.pem", "--key", STATE / "azure.key")
        accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}
        processes.start("azurite", AZURITE, "--blobHost", STORE_ADDRESS, "--blobPort", "443", *options, *tls, environment=accounts)
        processes.until("Azurite", _listens, 90)
        self.container: ContainerClient = BlobServiceClient(
            f"https://{STORE}", credential=self.key, connection_verify=str(self.authority)
        ).create_container(CONTAINER)

    def names(self) -> dict[str, int]:
        """What the container has: names and sizes."""
        return {blob.name: blob.size for blob in self.container.list_blobs()}

    def read(self, name: str) -> bytes:
        """One of them."""
        return bytes(self.container.download_blob(name).readall())


def _program(name: str) -> str:
    """One of PostgreSQL's, the newest."""
    return shutil.which(name) or sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1]


def _listens() -> bool:
    try:
        socket.create_connection((STORE_ADDRESS, 443), timeout=1).close()
        return True
    except OSError:
        return False
