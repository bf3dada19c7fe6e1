"""Object stores for the tests: Azurite for Azure Blob Storage, moto for S3, each a process on a free loopback port.

moto also answers the XML calls of Google Cloud Storage, which are S3's. The official server does not make them, so there that
store is Ferroflow's alone.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from azure.storage.blob import BlobServiceClient

import certificates
from ports import free_port

AZURITE = Path(__file__).resolve().parent / "azurite" / "node_modules" / ".bin" / "azurite-blob"
MISSING = "Azurite was not found; run conformance/setup.sh (it is required, not optional)"
# Azurite's account, which everybody knows.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
S3_KEY, S3_SECRET = "AKIAFERROFLOWTESTS00", "a/secret+that+moto+takes+for+granted=="
START_TIMEOUT = 60.0
FOLDER = "under/here"


@dataclass
class Place:
    """A container of its own in a store. What servers keep there lies below `FOLDER`."""

    kind: str
    container: str
    port: int
    environment: dict[str, str]
    secrets: list[str] = field(default_factory=list)
    authority: Path | None = None

    @property
    def uri(self) -> str:
        """Where servers are told to keep artifacts."""
        return f"{self.root}/{FOLDER}"

    @property
    def root(self) -> str:
        """The container."""
        if self.kind == "azure":
            return f"wasbs://{self.container}@{ACCOUNT}.blob.core.windows.net"
        return f"{'gs' if self.kind == 'gcs' else 's3'}://{self.container}"

    def settings(self) -> tuple[tuple[str, str], ...]:
        """The environment of a server that keeps artifacts here."""
        return tuple(self.environment.items())

    def through(self, port: int) -> tuple[tuple[str, str], ...]:
        """The same for a server that reaches the store through another port."""
        return tuple((name, value.replace(f":{self.port}", f":{port}")) for name, value in self.environment.items())

    def names(self, below: str = FOLDER) -> set[str]:
        """The names of what is stored below a folder, without the folder."""
        prefix = f"{below}/"
        return {name.removeprefix(prefix) for name in self._all_names(prefix)}

    def read(self, name: str, below: str = FOLDER) -> bytes:
        """What is stored under a name."""
        if self.kind == "azure":
            return bytes(self._azure().get_blob_client(self.container, f"{below}/{name}").download_blob().readall())
        return bytes(_s3(self.port).get_object(Bucket=self.container, Key=f"{below}/{name}")["Body"].read())

    def write(self, key: str, content: bytes = b"x") -> None:
        """Stores something under a key, as somebody else would."""
        if self.kind == "azure":
            self._azure().get_blob_client(self.container, key).upload_blob(content)
        else:
            _s3(self.port).put_object(Bucket=self.container, Key=key, Body=content)

    def delete(self) -> None:
        """Deletes the container and all that is in it."""
        if self.kind == "azure":
            self._azure().delete_container(self.container)
            return
        for name in self._all_names(""):
            _s3(self.port).delete_object(Bucket=self.container, Key=name)
        _s3(self.port).delete_bucket(Bucket=self.container)

    def unfinished(self) -> list[str]:
        """Uploads that wait for more parts. Azure deletes such parts by itself after a week and does not list them."""
        if self.kind == "azure":
            return []
        found = _s3(self.port).list_multipart_uploads(Bucket=self.container)
        return [upload["Key"] for upload in found.get("Uploads", [])]

    def trust(self) -> ssl.SSLContext:
        """For who speaks to the store by TLS."""
        return ssl.create_default_context(cafile=str(self.authority))

    def _azure(self) -> BlobServiceClient:
        return _azure(self.port, self.authority)

    def _all_names(self, prefix: str) -> list[str]:
        if self.kind == "azure":
            return [str(name) for name in self._azure().get_container_client(self.container).list_blob_names(name_starts_with=prefix)]
        pages = _s3(self.port).get_paginator("list_objects_v2").paginate(Bucket=self.container, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]


class ObjectStores:
    """The stores of a session, each started when first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
        self._count = 0

    def place(self, kind: str) -> Place:
        """A fresh, empty container."""
        self._count += 1
        # No hyphens: moto does not decode the name of a bucket, and clients of Google's store encode all that is no letter.
        name = f"container{self._count}"
        if kind == "azure by token":
            return self._azure_by_token(name)
        port = self._port("azurite" if kind == "azure" else "moto")
        if kind == "azure":
            _azure(port).create_container(name)
            return Place(kind, name, port, {"AZURE_STORAGE_CONNECTION_STRING": connection_string(port)}, [ACCOUNT_KEY])
        _s3(port).create_bucket(Bucket=name)
        if kind == "gcs":
            return Place(kind, name, port, {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"})
        environment = {
            "AWS_ACCESS_KEY_ID": S3_KEY,
            "AWS_SECRET_ACCESS_KEY": S3_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        return Place(kind, name, port, environment, [S3_SECRET])

    def _azure_by_token(self, name: str) -> Place:
        """One whose environment has the store's address and whom to trust, and no credentials. It speaks TLS."""
        authority = self._directory / "ca.pem"
        if not authority.exists():
            certificates.make_authority(self._directory, "ca")
            certificates.make(self._directory, "azurite-tls", subject="azurite", host="IP:127.0.0.1")
        port = self._port("azurite-tls")
        _azure(port, authority).create_container(name)
        environment = {"AZURE_STORAGE_BLOB_ENDPOINT": f"https://127.0.0.1:{port}/{ACCOUNT}", "SSL_CERT_FILE": str(authority)}
        return Place("azure", name, port, environment, [ACCOUNT_KEY], authority)

    def strict_s3(self) -> int:
        """The port of an S3 that knows nobody's keys."""
        return self._port("moto-strict")

    def strict_s3_of_a_reader(self) -> Place:
        """A bucket of an S3 that checks rights, with the keys of somebody who may do everything but write."""
        port = self.strict_s3()
        self._count += 1
        reader = f"reader{self._count}"
        _check_rights_after(port, 100)
        address = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1", "aws_access_key_id": S3_KEY, "aws_secret_access_key": S3_SECRET}
        boto3.client("s3", **address).create_bucket(Bucket="readers")
        iam = boto3.client("iam", **address)
        iam.create_user(UserName=reader)
        rights = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
        iam.put_user_policy(UserName=reader, PolicyName="read", PolicyDocument=policy)
        keys = iam.create_access_key(UserName=reader)["AccessKey"]
        _check_rights_after(port, 0)
        environment = {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        return Place("s3", "readers", port, environment, [keys["SecretAccessKey"]])

    def stop(self) -> None:
        """Stops them; what they kept was in memory."""
        for process, _ in self._running.values():
            process.terminate()
            process.wait(30)

    def _port(self, program: str) -> int:
        if program not in self._running:
            port = free_port()
            process = _start(program, port, self._directory / f"{program}.log")
            self._running[program] = (process, port)
        return self._running[program][1]


def connection_string(port: int, key: str = ACCOUNT_KEY) -> str:
    """As Azure's portal shows it, but for the address."""
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"


def _start(program: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    if program.startswith("azurite"):
        if not AZURITE.exists():
            raise RuntimeError(MISSING)
        options: tuple[str, ...] = ("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent")
        if program == "azurite-tls":
            options += ("--oauth", "basic", "--cert", str(log.with_suffix(".pem")), "--key", str(log.with_suffix(".key")))
        command = [str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    else:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # So many actions are not checked.
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0"} if program == "moto-strict" else None
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=tempfile.gettempdir(), env=environment, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"{program} did not start:\n{log.read_text()}")


def _check_rights_after(port: int, actions: int) -> None:
    address, plain = f"http://127.0.0.1:{port}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    request = urllib.request.Request(address, data=str(actions).encode(), headers=plain)
    urllib.request.urlopen(request).close()


def _azure(port: int, authority: Path | None = None) -> BlobServiceClient:
    scheme, verify = ("https", str(authority)) if authority else ("http", True)
    return BlobServiceClient(f"{scheme}://127.0.0.1:{port}/{ACCOUNT}", credential=ACCOUNT_KEY, connection_verify=verify)


def _s3(port: int) -> boto3.client:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=S3_KEY,
        aws_secret_access_key=S3_SECRET,
        region_name="us-east-1",
    )

