"""PostgreSQL servers that stand in for each other: the primary moves, becomes read-only, or falls silent.

Nothing that was acknowledged may be lost, nothing may be done twice.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from postgres import SERVER_USER, Cluster, start_cluster
from servers import Server
from silence import Way
from writers import API, create_run, is_asked_to_come_back, query, wait_until, wait_until_serving, write_during

QUICK = "connect_timeout=1&tcp_user_timeout=1000&keepalives_idle=1&keepalives_interval=1&keepalives_count=2"


@pytest.fixture
def primary(fleet: Fleet) -> Iterator[Cluster]:
    """A PostgreSQL of the test's own."""
    running = start_cluster(fleet.directory / "postgresql-primary.log")
    try:
        yield running
    finally:
        try:
            running.stop()
        except RuntimeError:
            pass  # it was stopped by the test


@pytest.fixture
def standby(primary: Cluster, fleet: Fleet) -> Iterator[Cluster]:
    """Its standby."""
    running = primary.follow(fleet.directory / "postgresql-standby.log")
    try:
        yield running
    finally:
        running.stop()


def either(first: int, second: int, name: str, parameters: str = "") -> str:
    """The database on one of two ports."""
    return f"postgresql://{SERVER_USER}@127.0.0.1:{first},127.0.0.1:{second}/{name}?{parameters}"


def set_tag(server: Server, run: str, key: str) -> Answer:
    body = {"run_id": run, "key": key, "value": "x"}
    return Connection(server.port, timeout=30.0).send(Request("POST", API + "runs/set-tag", body=body))


def get_run(server: Server, run: str) -> Answer:
    return Connection(server.port, timeout=30.0).send(Request("GET", API + "runs/get", (("run_id", run),)))


def fill_the_pool(server: Server, run: str) -> None:
    with ThreadPoolExecutor(20) as threads:
        assert {answer.status for answer in threads.map(lambda _: get_run(server, run), range(100))} == {200}


def test_the_primary_moves(fleet: Fleet, primary: Cluster, standby: Cluster) -> None:
    name = primary.create_database("moved").rsplit("/", 1)[1]
    # A write is acknowledged when the standby has it.
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    # The standby is asked first, and says that it is none to write to.
    server = fleet.start(fleet.candidate_kind, "moved", either(standby.port, primary.port, name, "target_session_attrs=read-write"))

    def move() -> None:
        time.sleep(0.5)
        primary.down("immediate")
        time.sleep(0.5)
        standby.promote()
        wait_until_serving(server)

    writers = write_during(server, move)
    assert any(writer.refused for writer in writers)
    server.stop()


def test_a_primary_that_became_read_only_has_moved(fleet: Fleet, primary: Cluster, standby: Cluster) -> None:
    """It still answers, and would go on refusing: no write fails once there is another one."""
    name = primary.create_database("demoted").rsplit("/", 1)[1]
    # Several hosts: the primary is wanted unless something else is said.
    server = fleet.start(fleet.candidate_kind, "demoted", either(primary.port, standby.port, name))
    run = create_run(server.port, "demoted")
    fill_the_pool(server, run)
    on_standby = standby.uri(name)
    ((written,),) = query(primary.uri(name), "SELECT pg_current_wal_lsn()::text")
    has_all = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    wait_until(lambda: query(standby.uri("postgres"), has_all, written) == [(True,)], "the standby has all")
    standby.promote()
    primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    primary.execute("SELECT pg_reload_conf()")
    wait_until(lambda: query(primary.uri(name), "SHOW default_transaction_read_only") == [("on",)], "read-only")
    assert [set_tag(server, run, f"t{number}").status for number in range(30)] == [200] * 30
    assert query(on_standby, "SELECT count(*) FROM tags WHERE key LIKE 't%%'") == [(30,)]
    server.stop()


def test_a_database_that_is_read_only_is_read(fleet: Fleet) -> None:
    uri = fleet.database("postgresql", "read_only")
    name = uri.rsplit("/", 1)[1]
    server = fleet.start(fleet.candidate_kind, "read-only", uri)
    run = create_run(server.port, "read only")
    fleet.cluster.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    fleet.cluster.terminate_backends(uri)
    refused = set_tag(server, run, "t")
    assert refused.status == 503
    is_asked_to_come_back(refused)
    assert get_run(server, run).status == 200
    fleet.cluster.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert set_tag(server, run, "t").status == 200
    server.stop()


def test_connections_that_die_without_a_word(fleet: Fleet) -> None:
    """What was sent has no receipt, and new connections no answer: the other host is asked, and the request is served."""
    uri = fleet.database("postgresql", "silent")
    way = Way(fleet.cluster.port)
    server = fleet.start(fleet.candidate_kind, "silent", either(way.port, fleet.cluster.port, uri.rsplit("/", 1)[1], QUICK))
    run = create_run(server.port, "silent")
    fill_the_pool(server, run)
    way.fall_silent()
    assert get_run(server, run).status == 200
    assert [set_tag(server, run, f"t{number}").status for number in range(20)] == [200] * 20
    server.stop()
    way.close()


def test_a_connection_that_dies_before_its_answer(fleet: Fleet) -> None:
    """Everything sent has its receipt, so that only asking shows that nobody is there any more."""
    uri = fleet.database("postgresql", "unanswered")
    way = Way(fleet.cluster.port)
    server = fleet.start(fleet.candidate_kind, "unanswered", either(way.port, fleet.cluster.port, uri.rsplit("/", 1)[1], QUICK))
    run = create_run(server.port, "unanswered")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg2.connect(uri) as locker, locker.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")
        answer = thread.submit(set_tag, server, run, "t")
        wait_until(lambda: query(uri, waiting) == [(1,)], "the first try waits")
        way.fall_silent()
        # By the other host; the first try's backend does not know yet.
        wait_until(lambda: query(uri, waiting) == [(2,)], "it is tried again")
        locker.rollback()
        assert answer.result().status == 200
    server.stop()
    way.close()


def test_a_server_that_lets_nobody_in(fleet: Fleet, primary: Cluster) -> None:
    """The system takes connections for a process that is frozen; `connect_timeout` covers the whole login."""
    uri = primary.create_database("frozen")
    server = fleet.start(fleet.candidate_kind, "frozen", f"{uri}?connect_timeout=1")
    run = create_run(server.port, "frozen")
    primary.terminate_backends(uri)
    postmaster = primary.postmaster()
    os.kill(postmaster, signal.SIGSTOP)
    try:
        answer = get_run(server, run)
        assert answer.status == 503
        is_asked_to_come_back(answer)
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert get_run(server, run).status == 200
    server.stop()
