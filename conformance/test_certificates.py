"""Certificates of clients, lists of revoked ones, and what `sslmode` tries first."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import certificates
from postgres import Cluster, start_cluster
from servers import start_ferroflow
from test_connecting import answers, refused

HBA = b"""local all all trust
hostssl all postgres 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all covered 127.0.0.1/32 trust
hostnossl all plain 127.0.0.1/32 trust
host all either 127.0.0.1/32 trust
"""
ROLES = ("certified", "covered", "plain", "either")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA with certificates for the server and for `certified`, a certificate of another CA, and lists of revoked ones."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "other"):
        certificates.make_authority(folder, name)
    for name, subject, authority in (("server", "localhost", "ca"), ("client", "certified", "ca"), ("stranger", "certified", "other")):
        certificates.make(folder, name, subject=subject, authority=authority)
    shutil.copy(folder / "client.key", folder / "shown.key")
    (folder / "shown.key").chmod(0o644)
    write_list(folder, "none.crl", [])
    write_list(folder, "revoked.crl", [x509.load_pem_x509_certificate((folder / "server.pem").read_bytes()).serial_number])
    write_list(folder, "old.crl", [], days=-1)
    return folder


def write_list(folder: Path, name: str, serials: list[int], days: int = 2) -> None:
    """A list of the CA's certificates that are not to be trusted."""
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    begin = end - datetime.timedelta(days=4)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(begin).next_update(end)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False)
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin).build())
    (folder / name).write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def cluster(folder: Path, session_directory: Path) -> Iterator[Cluster]:
    """A cluster that asks for certificates of its CA."""
    files = {"server.crt": "server.pem", "server.key": "server.key", "root.crt": "ca.pem"}
    contents = {name: (folder / source).read_bytes() for name, source in files.items()}
    options = "-c ssl=on -c ssl_ca_file=root.crt"
    running = start_cluster(session_directory / "postgresql-certificates.log", options, {**contents, "pg_hba.conf": HBA})
    try:
        for role in ROLES:
            running.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'geheim'")
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> str:
    """A database that everyone may use."""
    name = cluster.create_database("certificates").rsplit("/", 1)[1]
    with psycopg2.connect(cluster.uri(name)) as connection, connection.cursor() as cursor:
        cursor.execute("GRANT ALL ON SCHEMA public TO " + ", ".join(ROLES))
        cursor.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO " + ", ".join(ROLES))
        cursor.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO " + ", ".join(ROLES))
    return name


def uses_tls(cluster: Cluster, role: str) -> bool:
    with psycopg2.connect(cluster.uri("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = %s", (role,))
        ((ssl,),) = cursor.fetchall()
        return bool(ssl)


def test_a_certificate_is_shown_and_read_again(cluster: Cluster, database: str, folder: Path, tmp_path: Path) -> None:
    prepare = start_ferroflow(tmp_path / "schema", cluster.uri(database))
    prepare.stop()
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def show(name: str) -> None:
        for path, source in ((certificate, f"{name}.pem"), (key, f"{name}.key")):
            path.write_bytes((folder / source).read_bytes())
            path.chmod(0o600)
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'certified'")

    show("client")
    uri = f"postgresql://certified:geheim@localhost:{cluster.port}/{database}?sslmode=verify-full&sslrootcert={folder / 'ca.pem'}&sslcrl={folder / 'none.crl'}"
    server = start_ferroflow(tmp_path, uri, {"FERROFLOW_DB_SSLCERT": str(certificate), "FERROFLOW_DB_SSLKEY": str(key)})
    try:
        assert answers(server) == 200
        for name, expected in (("stranger", 503), ("client", 200)):
            show(name)
            deadline = time.monotonic() + 10
            while answers(server) != expected:
                assert time.monotonic() < deadline, server.log()
    finally:
        server.stop()


@pytest.mark.parametrize(
    "query, advice",
    [
        ("", "name yours with sslcert"),
        ("sslcert=stranger.pem&sslkey=stranger.key", "does not accept this client's certificate"),
        ("sslcert=client.pem&sslkey=stranger.key", "do not go together"),
        ("sslcert=client.pem&sslkey=shown.key", "chmod 600"),
        ("sslcert=client.pem&sslkey=none.key", "cannot read the key"),
        ("sslcert=none.pem&sslkey=client.key", "cannot read the certificate of sslcert"),
        ("sslcert=client.pem", "sslkey"),
        ("sslmode=verify-full&sslrootcert=ca.pem&sslcrl=revoked.crl", "was revoked"),
        ("sslmode=verify-full&sslrootcert=ca.pem&sslcrl=old.crl", "out of date"),
        ("sslmode=verify-full&sslrootcert=ca.pem&sslcrl=ca.pem", "no list of revoked"),
    ],
)
def test_a_refusal_says_what_to_do(cluster: Cluster, database: str, folder: Path, query: str, advice: str) -> None:
    said = refused(folder, f"postgresql://certified:geheim@localhost:{cluster.port}/{database}?{query}", {"HOME": str(folder)})
    assert advice in said and "geheim" not in said, said


@pytest.mark.parametrize(
    "role, mode, expected",
    [("either", "allow", False), ("covered", "allow", True), ("either", "prefer", True), ("plain", "prefer", False)],
)
def test_what_is_tried_first(cluster: Cluster, database: str, tmp_path: Path, role: str, mode: str, expected: bool) -> None:
    """`allow` begins without TLS, `prefer` with it; where the server wants the other way, it is taken."""
    prepare = start_ferroflow(tmp_path / "schema", cluster.uri(database))
    prepare.stop()
    server = start_ferroflow(tmp_path, f"postgresql://{role}@localhost:{cluster.port}/{database}?sslmode={mode}")
    try:
        assert answers(server) == 200
        assert uses_tls(cluster, role) == expected
    finally:
        server.stop()


@pytest.mark.parametrize("authority, accepted", [("ca", True), ("other", False)])
def test_the_systems_authorities_are_those_of_a_variable(
    cluster: Cluster, database: str, folder: Path, tmp_path: Path, authority: str, accepted: bool
) -> None:
    """Without an `sslrootcert` `SSL_CERT_FILE` says whom to trust, as it does for clouds and webhooks."""
    uri = f"postgresql://postgres@localhost:{cluster.port}/{database}?sslmode=verify-full"
    trust = {"SSL_CERT_FILE": str(folder / f"{authority}.pem"), "HOME": str(tmp_path)}
    if accepted:
        server = start_ferroflow(tmp_path, uri, trust)
        assert answers(server) == 200
        server.stop()
    else:
        assert "not signed by a CA that is trusted" in refused(tmp_path, uri, trust)
