"""`ferroflow doctor`: what it finds from within, at an address and in manifests; its exit codes; and that it shows no secret."""

from __future__ import annotations

import base64
import datetime
import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import certificates
from fleet import Fleet
from http_client import Connection, Request
from nginx import Nginx
from object_stores import ACCOUNT_KEY, ObjectStores, connection_string
from pgbouncer import PgBouncer
from ports import free_port
from postgres import Cluster, start_cluster
from servers import Server, ferroflow_binary, start_ferroflow
from writers import wait_until

FINE, FAILURES, USAGE, WARNINGS = 0, 1, 2, 3
TIMEOUT = 120.0
PASSWORD = "geheim-9d1c"
WRONG_KEY = base64.b64encode(bytes(range(64))).decode()
SECRETS = (PASSWORD, ACCOUNT_KEY, WRONG_KEY)
BASIC = 'auth_basic "x"; auth_basic_user_file FOLDER/htpasswd; proxy_set_header Authorization "";'
TOKEN = f'if ($http_authorization != "Bearer {PASSWORD}") {{ return 401; }}'
HBA = b"local all all trust\nhost all member 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"


def _run(*arguments: str, given: str = "", cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    names = ("MLFLOW_", "FERROFLOW_", "PG", "AZURE_", "AWS_", "KUBERNETES_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    command = [str(ferroflow_binary()), "doctor", *arguments]
    done = subprocess.run(command, env={**clean, **variables}, cwd=cwd, input=given, capture_output=True, text=True, timeout=TIMEOUT)
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr], "a secret is shown"
    return done


def _look(*arguments: str, code: int = FINE, **more: Any) -> dict[str, dict[str, Any]]:
    """The checks by their names; where one has several findings, the worst."""
    done = _run(*arguments, "--json", **more)
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    order = ["ok", "notice", "warning", "failure"]
    assert report["worst"] == max((check["verdict"] for check in report["checks"]), key=order.index)
    return {check["check"]: check for check in sorted(report["checks"], key=lambda check: order.index(check["verdict"]))}


def _verdicts(checks: dict[str, dict[str, Any]], verdict: str) -> set[str]:
    return {name for name, check in checks.items() if check["verdict"] == verdict}


# From within.


@pytest.fixture(scope="module")
def cluster(fleet: Fleet) -> Iterator[Cluster]:
    """A PostgreSQL of this module's own, where `member` has a password."""
    own = start_cluster(fleet.directory / "postgresql-doctor.log", files={"pg_hba.conf": HBA})
    own.execute(f"CREATE ROLE member LOGIN PASSWORD '{PASSWORD}'")
    try:
        yield own
    finally:
        own.stop()


def test_within_all_is_fine_and_nothing_is_left(engine: str, fleet: Fleet, tmp_path: Path) -> None:
    uri = fleet.database(engine, "doctor")
    start_ferroflow(tmp_path, uri).stop()
    before = sorted(tmp_path.rglob("*"))
    settings = {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts")}
    checks = _look(cwd=tmp_path, **settings)
    assert _verdicts(checks, "ok") == set(checks), checks
    expected = {"database.login", "database.rights", "database.schema", "hosts", "origins"}
    expected |= {f"artifacts.{name}" for name in ("place", "write", "read", "range", "delete", "clock")}
    if engine == "postgresql":
        expected |= {f"database.{name}" for name in ("tls", "latency", "connections", "clock")}
    assert set(checks) == expected
    assert sorted(tmp_path.rglob("*")) == before
    # As options, and for people.
    done = _run("--backend-store-uri", uri, "--artifacts-destination", str(tmp_path / "artifacts"), cwd=tmp_path)
    assert done.returncode == FINE and "✓ database.login" in done.stdout and f"{len(checks)} fine." in done.stdout
    assert "\x1b" not in done.stdout


def test_a_server_that_never_ran(tmp_path: Path) -> None:
    checks = _look(cwd=tmp_path)
    assert _verdicts(checks, "notice") == {"database.schema", "artifacts.place"}
    assert list(tmp_path.iterdir()) == []


def test_registered_models_in_another_database(tmp_path: Path) -> None:
    registry = f"sqlite:///{tmp_path}/no/registry.db"
    checks = _look(code=FAILURES, cwd=tmp_path, MLFLOW_REGISTRY_STORE_URI=registry)
    assert "no folder" in checks["registry.login"]["detail"] and checks["database.login"]["verdict"] == "ok"


def test_a_database_that_does_not_let_us_in(cluster: Cluster, tmp_path: Path) -> None:
    uri = cluster.create_database("closed")
    member = uri.replace("postgres@", f"member:{PASSWORD}@")
    checks = _look(code=FAILURES, cwd=tmp_path, MLFLOW_BACKEND_STORE_URI=uri.replace("postgres@", f"member:{PASSWORD}x@"))
    assert "password" in checks["database.login"]["detail"] and "--db-password-file" in checks["database.login"]["advice"]
    checks = _look(code=FAILURES, cwd=tmp_path, MLFLOW_BACKEND_STORE_URI=member.rsplit("/", 1)[0] + "/nowhere")
    assert "CREATE DATABASE" in checks["database.login"]["advice"]
    checks = _look(code=FAILURES, cwd=tmp_path, MLFLOW_BACKEND_STORE_URI=f"postgresql://member:{PASSWORD}@127.0.0.1:{free_port()}/x")
    assert "firewalls" in checks["database.login"]["advice"]
    # It lets us in, and not do our work.
    checks = _look(code=FAILURES, cwd=tmp_path, MLFLOW_BACKEND_STORE_URI=member)
    assert "may not make tables" in checks["database.rights"]["detail"] and "GRANT CREATE" in checks["database.rights"]["advice"].upper()
    assert _verdicts(checks, "failure") == {"database.rights"}


def test_a_database_at_another_revision(cluster: Cluster, tmp_path: Path) -> None:
    uri = cluster.create_database("revision")
    start_ferroflow(tmp_path, uri).stop()
    settings: dict[str, Any] = {"cwd": tmp_path, "MLFLOW_BACKEND_STORE_URI": uri}
    _change(uri, "DROP TABLE jobs", "UPDATE alembic_version SET version_num = '3da73c924c2f'")
    checks = _look(**settings)
    assert checks["database.schema"]["verdict"] == "notice" and "3da73c924c2f" in checks["database.schema"]["detail"]
    assert _look("--no-database-migration", code=FAILURES, **settings)["database.schema"]["verdict"] == "failure"
    _change(uri, "UPDATE alembic_version SET version_num = '0123456789ab'")
    checks = _look(code=FAILURES, **settings)
    assert "0123456789ab" in checks["database.schema"]["detail"] and "newer Ferroflow" in checks["database.schema"]["advice"]


def test_the_way_to_a_database(cluster: Cluster, fleet: Fleet, tmp_path: Path) -> None:
    uri = cluster.create_database("way")
    start_ferroflow(tmp_path, uri).stop()
    cluster.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 4")
    for kind in ("TABLES", "SEQUENCES"):
        _change(uri, f"GRANT ALL ON ALL {kind} IN SCHEMA public TO limited")
    checks = _look(code=WARNINGS, cwd=tmp_path, MLFLOW_BACKEND_STORE_URI=uri.replace("postgres@", "limited@"))
    assert "gets 4 in all" in checks["database.connections"]["detail"]
    pooler = PgBouncer(cluster, sessions=2)
    try:
        checks = _look(cwd=tmp_path, MLFLOW_BACKEND_STORE_URI=pooler.uri(uri))
        assert "pooler" in checks["database.tls"]["detail"] and "pooler" in checks["database.connections"]["detail"]
    finally:
        pooler.stop()


def test_a_database_with_tls(fleet: Fleet, tmp_path: Path) -> None:
    for name in ("ca", "other"):
        certificates.make_authority(tmp_path, name)
    certificates.make(tmp_path, "server", subject="localhost", host="DNS:localhost,IP:127.0.0.1")
    files = {f"server.{end}": (tmp_path / f"server.{source}").read_bytes() for end, source in (("crt", "pem"), ("key", "key"))}
    own = start_cluster(fleet.directory / "postgresql-doctor-tls.log", "-c ssl=on", files)
    try:
        uri = own.create_database("tls")
        settings: dict[str, Any] = {"cwd": tmp_path, "MLFLOW_BACKEND_STORE_URI": uri}
        checked = _look("--db-sslmode", "verify-full", "--db-sslrootcert", str(tmp_path / "ca.pem"), **settings)["database.tls"]
        assert checked["verdict"] == "ok" and checked["detail"].startswith("TLSv1.3")
        assert _look(**settings)["database.tls"]["verdict"] == "notice", "nobody looks at the certificate"
        checks = _look("--db-sslmode", "verify-full", "--db-sslrootcert", str(tmp_path / "other.pem"), code=FAILURES, **settings)
        assert "database.login" in _verdicts(checks, "failure")
    finally:
        own.stop()


def test_stores(object_stores: ObjectStores, tmp_path: Path) -> None:
    place = object_stores.place("azure")
    checks = _look("--artifacts-destination", place.uri, cwd=tmp_path, **place.environment)
    assert {name for name in checks if name.startswith("artifacts.")} <= _verdicts(checks, "ok")
    assert place.names() == set()
    wrong = connection_string(place.port, WRONG_KEY)
    checks = _look("--artifacts-destination", place.uri, code=FAILURES, cwd=tmp_path, AZURE_STORAGE_CONNECTION_STRING=wrong)
    assert "AZURE_STORAGE_CONNECTION_STRING" in checks["artifacts.place"]["advice"] and "operator" not in checks["artifacts.place"]["advice"]
    missing = place.uri.replace(place.container, "no-such-one")
    checks = _look("--artifacts-destination", missing, code=FAILURES, cwd=tmp_path, **place.environment)
    assert "does not exist" in checks["artifacts.place"]["detail"]
    reader = object_stores.strict_s3_of_a_reader()
    checks = _look("--artifacts-destination", reader.uri, code=FAILURES, cwd=tmp_path, **reader.environment)
    assert checks["artifacts.place"]["verdict"] == "ok" and "s3:PutObject" in checks["artifacts.write"]["advice"]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checks = _look("--artifacts-destination", "/proc", code=FAILURES, cwd=tmp_path)
    assert "--artifacts-destination" in checks["artifacts.place"]["advice"]


def test_hosts_and_origins(tmp_path: Path) -> None:
    hosts = {"MLFLOW_SERVER_ALLOWED_HOSTS": "*", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*"}
    assert _verdicts(_look(code=WARNINGS, cwd=tmp_path, **hosts), "warning") == {"hosts", "origins"}
    checks = _look("--allowed-hosts", "mlflow.example", cwd=tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert "Service" in checks["hosts"]["advice"]


# At an address.


@pytest.fixture(scope="module")
def server(fleet: Fleet) -> Server:
    """A server."""
    return fleet.start("ferroflow", "doctor", fleet.database("sqlite", "doctor-url"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, certificates by it, one of which has expired, and a file of logins."""
    folder = tmp_path_factory.mktemp("doctor")
    for name in ("ca", "other"):
        certificates.make_authority(folder, name)
    certificates.make(folder, "good", subject="localhost")
    certificates.make(folder, "elsewhere", subject="elsewhere", host="DNS:mlflow.example")
    certificates.make(folder, "expired", subject="localhost")
    certificates.make(folder, "late", subject="localhost")
    _date(folder, "expired", -30, -3)
    _date(folder, "late", -80, 10)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True).stdout
    (folder / "htpasswd").write_text(f"alice:{hashed}\n")
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "wrong").write_text("another one\n")
    return folder


def _date(folder: Path, name: str, begins: int, ends: int) -> None:
    """Signs a certificate anew, with other dates, in days from now."""
    old = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(ca.subject).public_key(old.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + datetime.timedelta(days=begins)).not_valid_after(now + datetime.timedelta(days=ends))
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    (folder / f"{name}.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


class Edge:
    """nginx with TLS and logins before a server, as ingress-nginx configures it; `more` is more of its configuration."""

    def __init__(
        self, server: Server, folder: Path, log: Path, *, certificate: str = "good", limit: str = "0", logins: str = BASIC, more: str = ""
    ) -> None:
        self.plain_port = free_port()
        self._nginx = Nginx(
            [],
            log,
            f"log_format who '$remote_user $request_method $uri $status'; access_log {folder}/who.log who;"
            f"server {{ listen 127.0.0.1:PORT ssl; ssl_certificate {folder}/{certificate}.pem; ssl_certificate_key {folder}/{certificate}.key;"
            f"client_max_body_size {limit}; proxy_request_buffering off; {logins.replace('FOLDER', str(folder))}"
            f"location / {{ proxy_set_header Host $host; proxy_pass http://127.0.0.1:{server.port}; }} {more} }}"
            f"server {{ listen 127.0.0.1:{self.plain_port}; return 308 https://$host$request_uri; }}",
        )
        self._who = folder / "who.log"
        self.url = f"https://localhost:{self._nginx.port}"

    def names(self) -> set[str]:
        """Who has asked, `-` for nobody."""
        return {line.split(" ")[0] for line in self._who.read_text().splitlines()}

    def stop(self) -> None:
        """Ends it."""
        self._nginx.stop()
        self._who.unlink()


@pytest.fixture
def edge(server: Server, folder: Path, tmp_path: Path) -> Iterator[Edge]:
    """One with logins."""
    edge = Edge(server, folder, tmp_path / "nginx.log")
    yield edge
    edge.stop()


def _artifacts(server: Server) -> list[Path]:
    return list((server.directory / "artifacts").rglob("*"))


def test_a_service_in_a_cluster(server: Server) -> None:
    """As `helm test` asks: plain HTTP, and no login. A Service's variables are none of an option's."""
    linked = {"MLFLOW_PORT": "tcp://10.96.0.1:80", "FERROFLOW_DB_PORT": "tcp://10.96.0.2:5432"}
    checks = _look("--url", server.url, **linked)
    assert _verdicts(checks, "notice") == {"tls", "anonymous"} and "NetworkPolicy" in checks["anonymous"]["advice"]
    assert _verdicts(checks, "ok") == {"address", "clock", "hosts", "health", "version", "ready", "api", "origins", "upload", "download", "delete"}
    assert _artifacts(server) == []
    done = _run("--url", f"{server.url}/", "--upload-mib", "0", **linked)
    assert done.returncode == FINE and "i anonymous" in done.stdout and "upload" not in done.stdout


def test_a_prefix(fleet: Fleet, tmp_path: Path) -> None:
    server = start_ferroflow(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", {"MLFLOW_STATIC_PREFIX": "/ml"}, probe="/ml/readyz")
    try:
        assert not _verdicts(_look("--url", f"{server.url}/ml/"), "failure")
        checks = _look("--url", server.url, code=FAILURES)
        assert "404" in checks["anonymous"]["detail"] and "--static-prefix" in checks["anonymous"]["advice"]
    finally:
        server.stop()


def test_pages_of_every_origin(fleet: Fleet) -> None:
    every = (("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "*"),)
    server = fleet.start("ferroflow", "doctor-origins", fleet.database("sqlite", "doctor-origins"), every)
    assert _verdicts(_look("--url", server.url, code=WARNINGS), "warning") == {"origins"}
    server.stop()


def test_writing(server: Server) -> None:
    assert _look("--url", server.url, "--write", "--upload-mib", "0")["api.write"]["verdict"] == "ok"
    with sqlite3.connect(server.backend_uri.removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT lifecycle_stage FROM experiments WHERE name LIKE 'ferroflow-doctor-%'").fetchall()
    assert found == [("deleted",)]


def test_a_large_upload_takes_no_memory(server: Server) -> None:
    done = subprocess.run(
        ["/usr/bin/env", "bash", "-c", 'ulimit -v 1000000; exec "$0" doctor --url "$1" --upload-mib 700 --json', str(ferroflow_binary()), server.url],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )
    assert done.returncode == FINE, done.stdout + done.stderr
    assert _artifacts(server) == []


def test_the_edge(edge: Edge, server: Server, folder: Path) -> None:
    trust = ("--ca-file", str(folder / "ca.pem"))
    login = ("--user", "alice", "--password-file", str(folder / "password"))
    checks = _look("--url", edge.url, *trust, *login, "--http-port", str(edge.plain_port))
    assert _verdicts(checks, "ok") == set(checks), checks
    assert {"tls.chain", "tls.name", "tls.expiry", "redirect", "anonymous", "user", "upload"} <= set(checks)
    assert "localhost" in checks["tls.name"]["detail"] and "Basic" in checks["anonymous"]["detail"]
    variables = {"MLFLOW_TRACKING_USERNAME": "alice", "MLFLOW_TRACKING_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(folder / "ca.pem")}
    assert _look("--url", edge.url, **variables)["user"]["verdict"] == "ok"
    # Nobody.
    checks = _look("--url", edge.url, *trust)
    assert checks["login"]["verdict"] == "notice" and "upload" not in checks
    # Somebody else.
    checks = _look("--url", edge.url, *trust, "--user", "alice", "--password-file", str(folder / "wrong"), code=FAILURES)
    assert "auth-secret" in checks["user"]["advice"]
    assert _artifacts(server) == []


def test_a_password_is_not_sent_to_plain_http_that_leads_on(edge: Edge, folder: Path) -> None:
    login = ("--user", "alice", "--password-file", str(folder / "password"))
    checks = _look("--url", f"http://localhost:{edge.plain_port}", *login, code=WARNINGS)
    assert "https" in checks["anonymous"]["detail"] and "user" not in checks
    assert edge.names() == {"-"}


def test_plain_http_beside_the_edge(edge: Edge, server: Server, folder: Path) -> None:
    trust = ("--ca-file", str(folder / "ca.pem"))
    checks = _look("--url", edge.url, *trust, "--http-port", str(server.port), code=WARNINGS)
    assert "force-ssl-redirect" in checks["redirect"]["advice"]
    checks = _look("--url", edge.url, *trust, "--http-port", str(free_port()))
    assert checks["redirect"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("certificate", "check", "words"),
    [("expired", "tls.expiry", "expired 3 days ago"), ("elsewhere", "tls.name", "mlflow.example"), ("good", "tls.chain", "not trusted")],
)
def test_a_certificate_that_is_no_good(server: Server, folder: Path, tmp_path: Path, certificate: str, check: str, words: str) -> None:
    edge = Edge(server, folder, tmp_path / "nginx.log", certificate=certificate)
    try:
        trusted = "other" if certificate == "good" else "ca"
        login = ("--user", "alice", "--password-file", str(folder / "password"))
        checks = _look("--url", edge.url, "--ca-file", str(folder / f"{trusted}.pem"), *login, code=FAILURES)
        assert words in checks[check]["detail"] and _verdicts(checks, "failure") == {check}
        assert edge.names() == {"-"}, "a password is not sent where it may be read"
    finally:
        edge.stop()


def test_a_certificate_that_should_have_been_renewed(server: Server, folder: Path, tmp_path: Path) -> None:
    edge = Edge(server, folder, tmp_path / "nginx.log", certificate="late", logins="")
    try:
        checks = _look("--url", edge.url, "--ca-file", str(folder / "ca.pem"), code=WARNINGS)
        assert checks["tls.expiry"]["detail"].startswith("good for 9 more days of 90")
        assert checks["anonymous"]["verdict"] == "notice" and checks["upload"]["verdict"] == "ok"
    finally:
        edge.stop()


def test_a_limit_on_bodies(server: Server, folder: Path, tmp_path: Path) -> None:
    edge = Edge(server, folder, tmp_path / "nginx.log", limit="1m", logins="")
    try:
        checks = _look("--url", edge.url, "--ca-file", str(folder / "ca.pem"), code=FAILURES)
        assert "413" in checks["upload"]["detail"] and "proxy-body-size" in checks["upload"]["advice"]
        assert _look("--url", edge.url, "--ca-file", str(folder / "ca.pem"), "--upload-mib", "1")["upload"]["verdict"] == "ok"
        assert _artifacts(server) == []
    finally:
        edge.stop()


def test_a_proxy_that_does_not_wait(server: Server, folder: Path, tmp_path: Path) -> None:
    """What is uploaded goes to somebody who takes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"location /api/2.0/mlflow-artifacts/ {{ proxy_pass http://127.0.0.1:{silent.getsockname()[1]}; }}"
        times = "proxy_read_timeout 2s; proxy_send_timeout 2s;"
        edge = Edge(server, folder, tmp_path / "nginx.log", logins="", more=f"{times} {there}")
        try:
            checks = _look("--url", edge.url, "--ca-file", str(folder / "ca.pem"), code=FAILURES)
            assert "504" in checks["upload"]["detail"] and "proxy-read-timeout" in checks["upload"]["advice"]
            assert _verdicts(checks, "failure") == {"upload"}
        finally:
            edge.stop()


def test_a_token(server: Server, folder: Path, tmp_path: Path) -> None:
    edge = Edge(server, folder, tmp_path / "nginx.log", logins=TOKEN)
    try:
        trust = ("--ca-file", str(folder / "ca.pem"))
        assert _look("--url", edge.url, *trust, MLFLOW_TRACKING_TOKEN=PASSWORD)["user"]["verdict"] == "ok"
        assert "user" in _verdicts(_look("--url", edge.url, *trust, code=FAILURES, MLFLOW_TRACKING_TOKEN="another"), "failure")
    finally:
        edge.stop()


def test_the_certificate_of_a_controller_that_has_none(server: Server, folder: Path, tmp_path: Path) -> None:
    subject = "/O=Acme Co/CN=Kubernetes Ingress Controller Fake Certificate"
    made = ("-days", "2", "-keyout", "fake.key", "-out", "fake.pem", "-subj", subject, "-addext", "subjectAltName=DNS:ingress.local")
    certificates.openssl(folder, "req", "-x509", *certificates.KEY, *made)
    edge = Edge(server, folder, tmp_path / "nginx.log", certificate="fake")
    try:
        checks = _look("--url", edge.url, "--ca-file", str(folder / "ca.pem"), code=FAILURES)
        assert "stand-in" in checks["tls.chain"]["detail"] and "namespace" in checks["tls.chain"]["advice"]
    finally:
        edge.stop()


def test_a_name_that_the_server_does_not_answer_to(fleet: Fleet, folder: Path, tmp_path: Path) -> None:
    allowed = (("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example"),)
    server = fleet.start("ferroflow", "doctor-hosts", fleet.database("sqlite", "doctor-hosts"), allowed)
    checks = _look("--url", server.url, code=FAILURES)
    assert _verdicts(checks, "failure") == {"hosts"} and "--allowed-hosts" in checks["hosts"]["advice"]
    server.stop()
    edge = Edge(server, folder, tmp_path / "nginx.log", logins="")
    try:
        checks = _look("--url", edge.url, "--ca-file", str(folder / "ca.pem"), code=FAILURES)
        assert "502" in checks["anonymous"]["detail"] and "endpoints" in checks["anonymous"]["advice"]
    finally:
        edge.stop()


def test_a_server_that_is_not_ready(fleet: Fleet, tmp_path: Path) -> None:
    own = start_cluster(fleet.directory / "postgresql-doctor-away.log")
    server = start_ferroflow(tmp_path, own.create_database("away"))
    try:
        own.stop()
        # What is known of the database is a second old at the most.
        wait_until(lambda: Connection(server.port).send(Request("GET", "/readyz")).status == 503, "not ready")
        checks = _look("--url", server.url, code=FAILURES)
        assert checks["ready"]["verdict"] == "failure" and "database" in checks["ready"]["detail"]
        assert checks["health"]["verdict"] == "ok"
    finally:
        server.stop()


def test_nobody_there() -> None:
    checks = _look("--url", f"http://127.0.0.1:{free_port()}", code=FAILURES)
    assert "NetworkPolicies" in checks["answer"]["advice"]
    checks = _look("--url", f"https://127.0.0.1:{free_port()}", code=FAILURES)
    assert "tls.handshake" in _verdicts(checks, "failure")
    checks = _look("--url", "http://no-such-host.invalid", code=FAILURES)
    assert "DNS" in checks["address"]["advice"]


def test_tls_where_there_is_none(server: Server) -> None:
    checks = _look("--url", server.url.replace("http://", "https://"), code=FAILURES)
    assert "does not speak TLS" in checks["tls.handshake"]["advice"]


def test_the_official_server(fleet: Fleet) -> None:
    official = fleet.official("sqlite")
    # Its answers let pages of every origin read, if they ask with their visitors' browsers.
    checks = _look("--url", official.url, code=WARNINGS)
    assert _verdicts(checks, "warning") == {"origins"}
    assert "not Ferroflow" in checks["ready"]["detail"]
    assert {"version", "health", "api", "upload", "delete"} <= _verdicts(checks, "ok"), checks


# Manifests.

SEED = """
kind: Deployment
metadata: {name: mlflow, namespace: mlflow}
spec:
  template:
    metadata: {labels: {app: mlflow}}
    spec:
      initContainers:
      - {name: mlflow-db-migration, image: "burakince/mlflow:3.15.1", envFrom: [{secretRef: {name: mlflow-env-secret}}]}
      containers:
      - name: mlflow
        image: burakince/mlflow:3.7.0
        args: [server, "--port=5000"]
        envFrom: [{secretRef: {name: mlflow-env-secret}}, {secretRef: {name: mlflow-azure-secret}}]
---
kind: Service
metadata: {name: mlflow, namespace: mlflow}
spec: {selector: {app: mlflow}}
---
kind: Secret
metadata: {name: mlflow-env-secret, namespace: mlflow}
stringData: {PGUSER: warble, PGPASSWORD: SECRET}
---
kind: Ingress
metadata:
  name: mlflow
  namespace: mlflow
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt-prod
    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: mlflow-basic-auth
spec:
  ingressClassName: nginx
  rules:
  - host: mlflow.frakma.io
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: mlflow, port: {number: 80}}}}]}
  tls: [{secretName: frakma-io-wildcard-tls, hosts: [mlflow.frakma.io]}]
---
kind: Certificate
metadata: {name: frakma-io-wildcard, namespace: warble-system}
spec: {secretName: frakma-io-wildcard-tls, dnsNames: ["*.frakma.io", frakma.io], issuerRef: {name: letsencrypt-prod, kind: ClusterIssuer}}
""".replace("SECRET", PASSWORD)


def test_the_traps_of_the_seed(tmp_path: Path) -> None:
    checks = _look("--manifests", "-", code=FAILURES, given=SEED)
    assert _verdicts(checks, "failure") == {"certificate.shim", "images.drift"}
    assert _verdicts(checks, "warning") == {"ingress.body-size", "network.policy"}
    assert _verdicts(checks, "notice") == {"ingress.class", "ingress.buffering", "auth.secret", "secrets.plain", "secrets.missing"}
    (tmp_path / "seed.yaml").write_text(SEED)
    done = _run("--manifests", str(tmp_path / "seed.yaml"))
    assert done.returncode == FAILURES and "✗ images.drift" in done.stdout and "2 failures, 2 warnings" in done.stdout


def test_manifests_without_a_trap() -> None:
    assert _verdicts(_look("--manifests", "-", given="kind: Pod\nspec: {containers: []}\n"), "ok")


# Wrong usage.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "mlflow.example"), "https://"),
        (("--url", f"https://alice:{PASSWORD}@localhost"), "--password-file"),
        (("--url", "http://localhost", "--user", "alice"), "no password"),
        (("--url", "http://localhost", "--user", "alice", "--password-file", "/nowhere"), "/nowhere"),
        (("--url", "https://localhost", "--ca-file", "/nowhere"), "--ca-file"),
        (("--url", "http://localhost", "--manifests", "-"), "--manifests"),
        (("--user", "alice"), "--url"),
        (("--manifests", "/nowhere"), "/nowhere"),
        (("--no-such-option",), "--no-such-option"),
        (("--backend-store-uri", f"mysql://u:{PASSWORD}@h/d"), "--backend-store-uri"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = _run(*arguments, cwd=tmp_path)
    assert done.returncode == USAGE and done.stdout == "" and words in done.stderr, done.stderr
    assert done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1


def test_text_that_is_no_manifest() -> None:
    for text in (f"kind: Secret\nstringData: {{a: {PASSWORD}\n", f"{PASSWORD}\n", ""):
        done = _run("--manifests", "-", given=text)
        assert done.returncode == USAGE and "helm template" in done.stderr


def test_help() -> None:
    done = _run("--help")
    assert done.returncode == 0 and "Exit codes: 0 nothing is wrong" in done.stdout
    assert "--manifests" in done.stdout and "--backend-store-uri" not in done.stdout


def _change(uri: str, *statements: str) -> None:
    connection = psycopg2.connect(uri)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
