"""Webhooks with real receivers: what they get, what they never get, and what survives a kill.

Deliveries are put into the queue by hand here, as the registry does it with its changes (`test_webhook_events.py`).
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg2

import certificates
from fleet import WEBHOOKS, Fleet
from http_client import Connection, Request
from ports import free_port
from receiver import SAID, SLOW, Message, Receiver, wait_until
from servers import Server, ferroflow_binary, restart

API = "/api/2.0/mlflow/webhooks"
TABLE = "ferroflow_webhook_deliveries"
CREATED = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
EVENTS = [
    *((entity, "CREATED") for entity in ("REGISTERED_MODEL", "MODEL_VERSION", "PROMPT", "PROMPT_VERSION")),
    *((entity, action) for entity in ("MODEL_VERSION_TAG", "PROMPT_TAG", "PROMPT_VERSION_TAG") for action in ("SET", "DELETED")),
    *((entity, action) for entity in ("MODEL_VERSION_ALIAS", "PROMPT_ALIAS") for action in ("CREATED", "DELETED")),
]
SECRET = "a secret, übrigens"
# The longest that the queue stands unnoticed, when another process has put something into it.
NOTICED = 15.0


class Database:
    """The database of a server, past the server."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._mark = "?" if uri.startswith("sqlite") else "%s"

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs a statement; `?` stands for a value."""
        connection: Any = sqlite3.connect(self.uri.removeprefix("sqlite:///"), timeout=30) if self._mark == "?" else psycopg2.connect(self.uri)
        try:
            cursor = connection.cursor()
            cursor.execute(statement.replace("?", self._mark), values)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return list(rows)
        finally:
            connection.close()

    def queue(self, webhook: str, body: str = "{}") -> str:
        """Puts a delivery into the queue."""
        delivery = str(uuid.uuid4())
        columns = "delivery_id, webhook_id, event, body, state, created_at, due_at, tries"
        self.run(
            f"INSERT INTO {TABLE} ({columns}) VALUES (?, ?, 'registered_model.created', ?, 'pending', 1, 1, 0)", delivery, webhook, body
        )
        return delivery

    def deliveries(self) -> dict[str, tuple[str, int, str | None]]:
        """State, tries and reason of what is in the queue."""
        rows = self.run(f"SELECT delivery_id, state, tries, reason FROM {TABLE}")
        return {delivery: (state, tries, reason) for delivery, state, tries, reason in rows}


def _start(fleet: Fleet, name: str, uri: str, kind: str = "ferroflow", **settings: str) -> Server:
    environment = {**WEBHOOKS, **{name.upper(): value for name, value in settings.items()}}
    return fleet.start(kind, name, uri, tuple((key, value) for key, value in environment.items() if value))


def _call(server: Server, method: str, path: str = "", body: Any = None, status: int = 200) -> Any:
    connection = Connection(server.port)
    answer = connection.send(Request(method, API + path, body=body))
    connection.close()
    assert answer.status == status, answer.body
    return answer.json()


def _create(server: Server, url: str, **fields: Any) -> str:
    body = {"name": "a-webhook", "url": url, "events": [CREATED], **fields}
    return str(_call(server, "POST", body=body)["webhook"]["webhook_id"])


def _wait_until_dead(database: Database, delivery: str) -> str:
    state = lambda: database.deliveries()[delivery]  # noqa: E731
    wait_until(lambda: state()[0] == "dead", NOTICED, lambda: str(state()))
    return str(state()[2])


def _without_time(message: Message) -> tuple[Any, list[str]]:
    """A message without what differs from one to the next, and the order of its fields and of its headers' names."""
    body = message.json()
    assert body.pop("timestamp").endswith("+00:00")
    own = {name for name in message.headers if name.startswith(("x-mlflow", "content-type"))}
    return [list(body), list(body["data"]), body], sorted(own)


def test_examples_are_the_official_servers(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    assert len(EVENTS) == 14
    got = {}
    for kind in ("official", "candidate"):
        server = fleet.official(engine) if kind == "official" else fleet.candidate(engine)
        for secret in ("", SECRET):
            path = f"/{kind}/{len(secret)}"
            webhook = _create(server, receiver.url(path), secret=secret)
            for entity, action in EVENTS:
                result = _call(server, "POST", f"/{webhook}/test", {"event": {"entity": entity, "action": action}})["result"]
                assert result["success"] and result["response_status"] == 200
            messages = receiver.messages(path)
            assert len({message.delivery_id() for message in messages}) == len(EVENTS)
            assert all(abs(int(message.headers["x-mlflow-timestamp"]) - time.time()) < 60 for message in messages)
            assert all(message.is_signed_with(SECRET) for message in messages) == bool(secret)
            assert all("x-mlflow-signature" in message.headers for message in messages) == bool(secret)
            got[kind, secret] = [_without_time(message) for message in messages]
    for secret in ("", SECRET):
        assert got["candidate", secret] == got["official", secret]


def test_each_server_opens_the_others_secrets(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database(engine, "secrets")
    webhooks: list[str] = []
    for turn, kind in enumerate(("official", fleet.candidate_kind, "official", fleet.candidate_kind)):
        server = _start(fleet, f"secrets-{engine}", uri, kind)
        webhooks.append(_create(server, receiver.url(f"/{turn}"), secret=f"{SECRET} {turn}", name=f"turn-{turn}"))
        for made_in, webhook in enumerate(webhooks):
            assert _call(server, "POST", f"/{webhook}/test", {})["result"]["success"]
            assert receiver.messages(f"/{made_in}")[-1].is_signed_with(f"{SECRET} {made_in}")
        listed = _call(server, "GET")["webhooks"]
        assert [webhook["name"] for webhook in listed] == [f"turn-{n}" for n in range(turn, -1, -1)]
        server.stop()


def test_secrets_are_shown_nowhere(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database(engine, "secret")
    server = _start(fleet, f"secret-{engine}", uri, ferroflow_log="debug")
    webhook = _create(server, receiver.url(), secret=SECRET)
    answers = [_call(server, "GET"), _call(server, "GET", f"/{webhook}"), _call(server, "PATCH", f"/{webhook}", {"secret": SECRET + "2"})]
    answers.append(_call(server, "POST", f"/{webhook}/test", {}))
    assert receiver.messages()[-1].is_signed_with(SECRET + "2")
    assert not any("secret" in str(answer) or SAID in str(answer) for answer in answers)
    Database(uri).queue(webhook)
    receiver.wait_for(2)
    server.stop()
    ((kept,),) = Database(uri).run("SELECT secret FROM webhooks")
    assert SECRET not in kept
    for hidden in (SECRET, kept, WEBHOOKS["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"], SAID):
        assert hidden not in server.log()


def test_without_a_key_there_are_no_secrets(fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database("sqlite", "no-key")
    server = _start(fleet, "no-key", uri, mlflow_webhook_secret_encryption_key="")
    body = {"name": "a", "url": receiver.url(), "events": [CREATED], "secret": SECRET}
    refused = _call(server, "POST", body=body, status=400)
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in refused["message"] and SECRET not in str(refused)
    webhook = _create(server, receiver.url())
    assert _call(server, "POST", f"/{webhook}/test", {})["result"]["success"]
    # One that another server has encrypted is never sent without its signature.
    Database(uri).run("UPDATE webhooks SET secret = 'gAAAAA'")
    result = _call(server, "POST", f"/{webhook}/test", {})["result"]
    assert not result["success"] and "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in result["error_message"]
    assert len(receiver.messages()) == 1


def test_deliveries_arrive_once(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    """On PostgreSQL with two replicas, both of which look at the same queue."""
    uri = fleet.database(engine, "once")
    servers = [_start(fleet, f"once-{engine}-{n}", uri) for n in range(2 if engine == "postgresql" else 1)]
    webhooks = [_create(servers[0], receiver.url(f"/{n}"), secret=SECRET) for n in range(3)]
    database = Database(uri)
    sent = {database.queue(webhook, f'{{"n": {n}}}'): n for n in range(40) for webhook in webhooks}
    messages = receiver.wait_for(len(sent), timeout=60)
    assert Counter(message.delivery_id() for message in messages) == Counter(list(sent))
    assert all(message.is_signed_with(SECRET) and message.json()["n"] == sent[message.delivery_id()] for message in messages)
    wait_until(lambda: not database.deliveries(), NOTICED, lambda: str(database.deliveries()))
    for server in servers:
        server.stop()


def test_a_kill_loses_nothing(engine: str, fleet: Fleet) -> None:
    uri = fleet.database(engine, "killed")
    port = free_port()
    server = _start(fleet, f"killed-{engine}", uri, mlflow_webhook_request_max_retries="50")
    down = _create(server, f"http://127.0.0.1:{port}/down")
    mute = Receiver()
    stuck = _create(server, mute.url("/mute"))
    database = Database(uri)
    waiting, under_way = database.queue(down), database.queue(stuck)
    wait_until(lambda: database.deliveries()[waiting][1] > 0, NOTICED, lambda: "no try was made")
    mute.wait_for(1, timeout=NOTICED)
    server.kill()
    mute.stop()
    assert set(database.deliveries()) == {waiting, under_way}

    receiver = Receiver()
    database.run("UPDATE webhooks SET url = ?", receiver.url("/ok"))
    # The lease of the try that was cut off is over after a minute and a half; here it is by now.
    database.run(f"UPDATE {TABLE} SET due_at = 1")
    restart(server)
    messages = receiver.wait_for(2, timeout=NOTICED)
    assert sorted(message.delivery_id() for message in messages) == sorted((waiting, under_way))
    wait_until(lambda: not database.deliveries(), NOTICED, lambda: str(database.deliveries()))
    server.stop()
    receiver.stop()


def test_the_end_waits_for_what_is_under_way(fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database("sqlite", "ending")
    server = _start(fleet, "ending", uri)
    database = Database(uri)
    database.queue(_create(server, receiver.url("/slow")))
    wait_until(lambda: len(receiver.messages()) == 1, NOTICED, lambda: "nothing came")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert time.monotonic() - began > SLOW / 3
    assert database.deliveries() == {} and len(receiver.messages()) == 1


def test_what_may_pass_is_tried_again(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database(engine, "again")
    server = _start(fleet, f"again-{engine}", uri, mlflow_webhook_request_max_retries="3")
    database = Database(uri)
    delivery = database.queue(_create(server, receiver.url("/flaky/2"), secret=SECRET))
    messages = receiver.wait_for(3, timeout=30)
    assert [message.delivery_id() for message in messages] == [delivery] * 3
    assert all(message.is_signed_with(SECRET) for message in messages)
    pauses = [two.at - one.at for one, two in zip(messages, messages[1:])]
    assert pauses[0] >= 0.9 and pauses[1] >= 1.9, pauses
    wait_until(lambda: not database.deliveries(), NOTICED, lambda: str(database.deliveries()))
    server.stop()


def test_what_cannot_be_delivered_is_kept_with_the_reason(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database(engine, "dead")
    server = _start(fleet, f"dead-{engine}", uri, mlflow_webhook_request_max_retries="1", mlflow_webhook_request_timeout="1")
    database = Database(uri)
    nobody = f"http://127.0.0.1:{free_port()}/secret-path"
    expected = {
        nobody: (2, "could not be reached"),
        receiver.url("/status/503"): (2, "answered 503; that was try 2"),
        receiver.url("/status/404"): (1, "answered 404"),
        receiver.url("/mute"): (2, "no answer within 1 s"),
        receiver.url("/redirect"): (1, "redirects are not followed"),
    }
    deliveries = {database.queue(_create(server, url)): url for url in expected}
    for delivery, url in deliveries.items():
        tries, reason = expected[url]
        assert reason in _wait_until_dead(database, delivery)
        assert database.deliveries()[delivery][1] == tries, url
        assert delivery in server.log()
    assert receiver.messages("/stolen") == []
    assert "secret-path" not in server.log() and "secret-path" not in str(database.deliveries())
    # Somebody has mended it, and asks for it once more.
    database.run("UPDATE webhooks SET url = ? WHERE url = ?", receiver.url("/mended"), nobody)
    database.run(f"UPDATE {TABLE} SET state = 'pending', tries = 0, due_at = 0")
    receiver.wait_for(1, "/mended")
    server.stop()


def test_what_was_allowed_once_is_looked_at_again(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    """Nothing is allowed but one address. The webhooks come from elsewhere: the official server takes any."""
    uri = fleet.database(engine, "guarded")
    server = _start(fleet, f"guarded-{engine}", uri, ferroflow_webhook_allowed_networks="127.0.0.2")
    database = Database(uri)
    port = receiver.port
    hosts = ("127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "169.254.169.254", "[64:ff9b::7f00:1]")
    deliveries = []
    for url in [*(f"http://{host}:{port}/stolen" for host in hosts), f"ftp://127.0.0.2:{port}/"]:
        webhook = _create(server, "https://93.184.216.34/")
        refused = _call(server, "PATCH", f"/{webhook}", {"url": url}, status=400)["message"]
        database.run("UPDATE webhooks SET url = ? WHERE webhook_id = ?", url, webhook)
        tested = _call(server, "POST", f"/{webhook}/test", {})["result"]
        reason = "Allowed schemes" if url.startswith("ftp") else "--webhook-allowed-networks"
        assert reason in refused and reason in tested["error_message"] and not tested["success"], url
        deliveries.append((database.queue(webhook), reason))
    for delivery, reason in deliveries:
        assert reason in _wait_until_dead(database, delivery)
    assert receiver.messages() == []
    server.stop()


def test_a_host_may_be_allowed_by_its_name(fleet: Fleet, receiver: Receiver) -> None:
    server = _start(fleet, "named", fleet.database("sqlite", "named"), ferroflow_webhook_allowed_networks="localhost")
    webhook = _create(server, f"http://localhost:{receiver.port}/ok", secret=SECRET)
    assert _call(server, "POST", f"/{webhook}/test", {})["result"] == {"success": True, "response_status": 200}
    (message,) = receiver.messages()
    assert message.headers["host"] == f"localhost:{receiver.port}" and message.is_signed_with(SECRET)
    body = {"name": "a", "url": receiver.url(), "events": [CREATED]}
    assert "--webhook-allowed-networks" in _call(server, "POST", body=body, status=400)["message"]
    server.stop()


def test_plain_http_is_refused_by_default(fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database("sqlite", "plain")
    server = _start(fleet, "plain", uri, mlflow_webhook_allowed_schemes="")
    body = {"name": "a", "url": receiver.url(), "events": [CREATED]}
    refused = _call(server, "POST", body=body, status=400)
    assert refused["message"] == "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."


def test_a_receivers_certificate_is_checked(fleet: Fleet, tmp_path: Path) -> None:
    for name in ("ca", "other"):
        certificates.make_authority(tmp_path, name)
    certificates.make(tmp_path, "receiver", subject="receiver", host="IP:127.0.0.1")
    receiver = Receiver(tmp_path / "receiver.pem")
    for authority, success in (("ca", True), ("other", False)):
        uri = fleet.database("sqlite", f"webhook-tls-{authority}")
        server = _start(fleet, f"webhook-tls-{authority}", uri, ssl_cert_file=str(tmp_path / f"{authority}.pem"))
        webhook = _create(server, receiver.url(f"/{authority}"))
        result = _call(server, "POST", f"/{webhook}/test", {})["result"]
        assert (result["success"], len(receiver.messages(f"/{authority}"))) == (success, success), result
        server.stop()
    receiver.stop()


def test_a_receiver_that_speaks_no_tls(fleet: Fleet, receiver: Receiver) -> None:
    server = fleet.candidate("sqlite")
    webhook = _create(server, f"https://127.0.0.1:{receiver.port}/")
    result = _call(server, "POST", f"/{webhook}/test", {})["result"]
    assert not result["success"] and "could not be reached" in result["error_message"]


def test_a_silent_receiver_holds_nobody_up(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database(engine, "silent")
    server = _start(fleet, f"silent-{engine}", uri, mlflow_webhook_request_timeout="20")
    silent = [_create(server, receiver.url(f"/mute/{n}")) for n in range(4)]
    well = _create(server, receiver.url("/well"))
    database = Database(uri)
    for webhook in silent:
        for _ in range(10):
            database.queue(webhook)
    wait_until(lambda: len(receiver.messages()) >= 8, NOTICED, lambda: str(len(receiver.messages())))
    for _ in range(10):
        database.queue(well)
    began = time.monotonic()
    for n in range(20):
        answer = Connection(server.port).send(Request("POST", "/api/2.0/mlflow/experiments/create", body={"name": f"beside {n}"}))
        assert answer.status == 200
    assert time.monotonic() - began < 5
    assert len(receiver.wait_for(10, "/well", timeout=NOTICED)) == 10
    server.kill()


def test_a_user_who_may_make_no_table(fleet: Fleet, receiver: Receiver) -> None:
    """The server serves everything else, says what is the matter, and needs no restart when somebody has mended it."""
    uri = fleet.database("postgresql", "limited")
    _start(fleet, "limited-owner", uri).stop()
    database = Database(uri)
    for statement in (
        "DROP ROLE IF EXISTS webhooks_limited_user",
        "CREATE ROLE webhooks_limited_user LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO webhooks_limited_user",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO webhooks_limited_user",
        # As the official server makes one.
        "INSERT INTO webhooks (webhook_id, name, url, status) VALUES ('theirs', 'n', 'https://93.184.216.34/', 'ACTIVE')",
    ):
        database.run(statement)
    server = _start(fleet, "limited", uri.replace("postgres@", "webhooks_limited_user@"))
    wait_until(lambda: "may not make the table" in server.log(), NOTICED, server.log)
    body = {"name": "a", "url": receiver.url(), "events": [CREATED]}
    refused = _call(server, "POST", body=body, status=500)
    assert refused["error_code"] == "INVALID_STATE" and "GRANT CREATE" in refused["message"]
    assert [webhook["webhook_id"] for webhook in _call(server, "GET")["webhooks"]] == ["theirs"]
    database.run("GRANT CREATE ON SCHEMA public TO webhooks_limited_user")
    webhook = _create(server, receiver.url())
    database.queue(webhook)
    receiver.wait_for(1)
    # A table of somebody else's is as good as none.
    database.run(f"ALTER TABLE {TABLE} OWNER TO postgres")
    assert _call(server, "POST", body=body, status=500)["error_code"] == "INVALID_STATE"
    assert _call(server, "GET", f"/{webhook}")["webhook"]["webhook_id"] == webhook
    server.stop()


def test_commands_do_not_mind_the_queue(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    uri = fleet.database(engine, "commands")
    server = _start(fleet, f"commands-{engine}", uri)
    _create(server, receiver.url())
    server.stop()
    for command in ("status", "check", "wait", "upgrade", "indexes list", "indexes create", "indexes drop"):
        done = subprocess.run([str(ferroflow_binary()), "db", *command.split(), uri], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert TABLE not in done.stdout, f"{command}: {done.stdout}"
    assert Database(uri).deliveries() == {}
