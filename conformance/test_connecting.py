"""How Ferroflow reaches PostgreSQL: TLS, passwords that change, a pool with an end, and PgBouncer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from fleet import Fleet
from http_client import Connection, Request
from pgbouncer import PgBouncer
from ports import free_port
from certificates import make, make_authority
from postgres import Cluster, start_cluster
from servers import Server, ferroflow_binary, start_ferroflow

SECRET = "geheim@/?#:%&1"
HBA = b"local all all trust\nhostssl all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CAs, and a certificate for localhost of the first."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "other"):
        make_authority(folder, name)
    make(folder, "server", subject="localhost")
    return folder


@pytest.fixture(scope="module")
def cluster(certificates: Path, session_directory: Path) -> Iterator[Cluster]:
    """A cluster that takes TLS only, and a password of everyone but the superuser."""
    files = {
        "server.crt": (certificates / "server.pem").read_bytes(),
        "server.key": (certificates / "server.key").read_bytes(),
        "pg_hba.conf": HBA,
    }
    options = "-c ssl=on -c password_encryption=scram-sha-256"
    running = start_cluster(session_directory / "postgresql-tls.log", options, files)
    try:
        running.execute("CREATE ROLE member LOGIN CREATEDB")
        set_password(running, SECRET)
        yield running
    finally:
        running.stop()


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The name of a database of `member`'s."""
    name = cluster.create_database("connecting").rsplit("/", 1)[1]
    cluster.execute(f'ALTER DATABASE "{name}" OWNER TO member')
    return name


def set_password(cluster: Cluster, password: str) -> None:
    cluster.execute(f"ALTER ROLE member PASSWORD '{password}'")


def answers(server: Server) -> int:
    """The status of a request that needs the database."""
    return Connection(server.port).send(Request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")).status


def refused(folder: Path, uri: str, variables: dict[str, str] | None = None) -> str:
    """What a start says that must fail."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_", "PG"))}
    done = subprocess.run(
        [ferroflow_binary(), "server", "--port", "0", "--log-level", "debug"],
        cwd=folder, env={**environment, "MLFLOW_BACKEND_STORE_URI": uri, **(variables or {})},
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode in (1, 2) and done.stdout == "", done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
def test_tls_and_scram(cluster: Cluster, database: str, certificates: Path, tmp_path: Path, mode: str) -> None:
    uri = f"postgresql+psycopg2://member:{SECRET}@localhost:{cluster.port}/{database}"
    root = f"&sslrootcert={certificates / 'ca.pem'}" if mode.startswith("verify") else ""
    server = start_ferroflow(tmp_path, f"{uri}?sslmode={mode}&channel_binding=require{root}")
    try:
        assert answers(server) == 200
        assert SECRET not in server.log()
        asked = "SELECT bool_and(ssl), min(application_name) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'member'"
        with psycopg2.connect(cluster.uri("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(asked)
            assert cursor.fetchone() == (True, "ferroflow")
    finally:
        server.stop()


@pytest.mark.parametrize(
    "host, query, advice",
    [
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=ca.pem", "subjectAltName"),
        ("localhost", "sslmode=verify-full&sslrootcert=other.pem", "sslrootcert"),
        ("localhost", "sslmode=verify-ca&sslrootcert=other.pem", "sslrootcert"),
        ("localhost", "sslmode=require&sslrootcert=other.pem", "sslrootcert"),
        ("localhost", "sslmode=verify-full&sslrootcert=none.pem", "cannot read the certificates"),
        ("localhost", "sslmode=verify-full&sslrootcert=ca.key", "no certificates"),
        ("localhost", "sslrootcert=system", "sslrootcert"),
        ("localhost", "sslmode=disable", "sslmode=require"),
    ],
)
def test_a_wrong_certificate_is_refused(
    cluster: Cluster, database: str, certificates: Path, host: str, query: str, advice: str
) -> None:
    said = refused(certificates, f"postgresql://member:{SECRET}@{host}:{cluster.port}/{database}?{query}")
    assert advice in said and "geheim" not in said, said


def test_a_password_is_read_again(cluster: Cluster, database: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n")
    uri = f"postgresql://member@localhost:{cluster.port}/{database}"
    server = start_ferroflow(tmp_path, uri, {"FERROFLOW_DB_PASSWORD_FILE": str(file)})
    try:
        assert answers(server) == 200
        set_password(cluster, "another one")
        file.write_text("another one")
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'member'")
        deadline = time.monotonic() + 10
        while answers(server) != 200:
            assert time.monotonic() < deadline, server.log()
        set_password(cluster, SECRET)
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'member'")
        while "password" not in server.log():
            assert time.monotonic() < deadline + 10, server.log()
            answers(server)
        assert "another one" not in server.log()
    finally:
        server.stop()
        set_password(cluster, SECRET)


def test_parts_and_libpqs_variables(cluster: Cluster, database: str, certificates: Path, tmp_path: Path) -> None:
    passfile = tmp_path / "passfile"
    passfile.write_text(f"localhost:*:{database}:member:{SECRET.replace(':', chr(92) + ':')}\n")
    passfile.chmod(0o600)
    server = start_ferroflow(
        tmp_path,
        "postgresql://",
        {
            "PGHOST": "localhost",
            "PGPORT": str(cluster.port),
            "PGUSER": "member",
            "PGDATABASE": database,
            "PGPASSFILE": str(passfile),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(certificates / "ca.pem"),
            "PGOPTIONS": "-c search_path=public",
            "PGAPPNAME": "tests",
        },
    )
    try:
        assert answers(server) == 200
    finally:
        server.stop()
    said = refused(tmp_path, "postgresql://localhost/x", {"FERROFLOW_DB_HOST": "localhost"})
    assert "--db-host" in said


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://postgres@127.0.0.1:{closed},localhost:{port}/{database}?target_session_attrs=read-write",
        "postgresql://postgres@/{database}?host={folder}&port={port}",
        "postgresql://postgres@{folder_encoded}:{port}/{database}?connect_timeout=5",
    ],
)
def test_several_hosts_and_sockets(cluster: Cluster, database: str, tmp_path: Path, uri: str) -> None:
    folder = str(cluster.directory)
    places = {"closed": free_port(), "port": cluster.port, "folder": folder, "folder_encoded": folder.replace("/", "%2F")}
    server = start_ferroflow(tmp_path, uri.format(database=database, **places))
    try:
        assert answers(server) == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://member:geheim@localhost:{port}/x",
        "postgresql://member:ge/heim@localhost:{port}/x",
        "postgresql://member:geheim@localhost:port/x",
        "postgresql://member:geheim@localhost:{port}/x?sslmode=geheim",
        "postgresql://member:geheim@localhost:{port}/x?geheim=1",
        "postgresql://localhost:{port}/x?user=member&password=geheim",
        "postgresql://member:geheim",
        "postgres+x://member:geheim@[::1/x",
        "mysql://member:geheim@localhost/x",
        "member:geheim@localhost/x",
    ],
)
def test_no_password_is_ever_shown(cluster: Cluster, tmp_path: Path, uri: str) -> None:
    said = refused(tmp_path, uri.format(port=cluster.port))
    assert "heim" not in said, said


def test_no_password_is_shown_by_a_server_that_waits(tmp_path: Path) -> None:
    for place in (f"localhost:{free_port()}", "no.such.host.invalid"):
        uri = f"postgresql://member:geheim@{place}/x"
        server = start_ferroflow(tmp_path, uri, {"FERROFLOW_LOG": "debug"}, probe="/livez")
        report = Connection(server.port).send(Request("GET", "/readyz")).body
        server.stop()
        assert b"geheim" not in report and "geheim" not in server.log()


def test_a_full_pool_answers_503(fleet: Fleet, tmp_path: Path) -> None:
    uri = fleet.cluster.create_database("full_pool")
    variables = {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "1", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "1", "FERROFLOW_DB_POOL_TIMEOUT": "1"}
    server = start_ferroflow(tmp_path, uri, variables)
    try:
        # Two requests wait for a lock, and hold what connections there are.
        holder = psycopg2.connect(uri)
        with holder.cursor() as cursor, ThreadPoolExecutor(2) as threads:
            cursor.execute("LOCK TABLE experiments")
            waiting = [threads.submit(answers, server) for _ in range(2)]
            while True:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
                if cursor.fetchone() == (2,):
                    break
                cursor.execute("SELECT pg_stat_clear_snapshot()")
            answer = Connection(server.port).send(Request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0"))
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert b"TEMPORARILY_UNAVAILABLE" in answer.body
            holder.rollback()
            assert [done.result() for done in waiting] == [200, 200]
        holder.close()
        # The one beyond those that are kept is closed.
        deadline = time.monotonic() + 10
        while connections(uri) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        server.stop()


def test_a_statement_has_an_end(fleet: Fleet, tmp_path: Path) -> None:
    uri = fleet.cluster.create_database("statement_timeout")
    server = start_ferroflow(tmp_path, uri, {"FERROFLOW_DB_STATEMENT_TIMEOUT": "1"})
    holder = psycopg2.connect(uri)
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE experiments")
            assert answers(server) == 503
            holder.rollback()
            assert answers(server) == 200
    finally:
        holder.close()
        server.stop()


def test_a_statement_timeout_does_not_get_lost_in_pgbouncer(fleet: Fleet, tmp_path: Path) -> None:
    database = fleet.cluster.create_database("pooled_timeout")
    for more in ("", "ignore_startup_parameters = options,extra_float_digits"):
        bouncer = PgBouncer(fleet.cluster, sessions=3, more=more)
        try:
            said = refused(tmp_path, bouncer.uri(database), {"FERROFLOW_DB_STATEMENT_TIMEOUT": "1"})
            assert "--db-statement-timeout" in said and "ALTER ROLE" in said, said
        finally:
            bouncer.stop()


def connections(uri: str) -> int:
    connection = psycopg2.connect(uri)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        (count,) = cursor.fetchone()
    connection.close()
    return int(count)


@pytest.mark.parametrize("more", ["", "ignore_startup_parameters = options,extra_float_digits"])
def test_pgbouncer_in_transaction_mode(fleet: Fleet, tmp_path: Path, more: str) -> None:
    bouncer = PgBouncer(fleet.cluster, sessions=3, more=more)
    servers: list[Server] = []
    try:
        uri = bouncer.uri(fleet.cluster.create_database("pooled"))
        # Names that two processes give may be the same, and mean different statements.
        servers += [start_ferroflow(tmp_path / name, uri) for name in ("one", "two")]
        created = post(servers[0], "runs/create", {"experiment_id": "0"})
        run = created["run"]["info"]["run_id"]

        def work(n: int) -> None:
            server = servers[n % 2]
            metrics = [{"key": f"m{n}", "value": step, "timestamp": 1, "step": step} for step in range(20)]
            post(server, "runs/log-batch", {"run_id": run, "metrics": metrics, "tags": [{"key": f"t{n}", "value": "x"}]})
            post(server, "runs/log-metric", {"run_id": run, "key": f"m{n}", "value": 1.5, "timestamp": 2, "step": 20})
            post(server, "runs/log-parameter", {"run_id": run, "key": f"p{n}", "value": "y"})
            found = post(server, "runs/search", {"experiment_ids": ["0"], "filter": f"metrics.m{n} > 1 AND tags.t{n} = 'x'"})
            assert [found_run["info"]["run_id"] for found_run in found["runs"]] == [run]

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(work, range(100)))
        data = post(servers[1], "runs/search", {"experiment_ids": ["0"]})["runs"][0]["data"]
        assert (len(data["metrics"]), len(data["params"])) == (100, 100)
        assert {metric["value"] for metric in data["metrics"]} == {1.5}
    finally:
        for server in servers:
            server.stop()
        bouncer.stop()


def post(server: Server, route: str, message: dict[str, Any]) -> dict[str, Any]:
    answer = Connection(server.port).send(Request("POST", f"/api/2.0/mlflow/{route}", body=message))
    assert answer.status == 200, answer.body
    return dict(answer.json())
