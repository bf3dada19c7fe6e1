"""What the registry's changes tell webhooks: the same calls to both servers, the same messages from both."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from fleet import WEBHOOKS, Fleet
from http_client import Connection, Request
from receiver import Receiver
from servers import Server
from test_webhooks import EVENTS, SECRET

API = "/api/2.0/mlflow/"
PROMPT_TAG = {"key": "mlflow.prompt.is_prompt", "value": "true"}
TEXT_TAG = {"key": "mlflow.prompt.text", "value": "Grüße, {{name}}!"}
TYPE_TAG = {"key": "_mlflow_prompt_type", "value": "text"}
TAG = {"key": "k", "value": "v"}
SOURCE = "s3://bucket/model"
# Each with its route, its body, and how many messages it makes.
CALLS: list[tuple[str, str, dict[str, Any], int]] = [
    ("POST", "registered-models/create", {"name": "m"}, 1),
    ("POST", "registered-models/create", {"name": "m"}, 0),
    ("POST", "registered-models/create", {"name": "n", "tags": [TAG, {"key": "ü", "value": ""}], "description": "Überschrift"}, 1),
    ("POST", "registered-models/set-tag", {"name": "m", **TAG}, 0),
    ("DELETE", "registered-models/delete-tag", {"name": "m", "key": "k"}, 0),
    ("PATCH", "registered-models/update", {"name": "m", "description": "new"}, 0),
    ("POST", "model-versions/create", {"name": "m", "source": SOURCE}, 1),
    ("POST", "model-versions/create", {"name": "m", "source": SOURCE, "tags": [TAG], "description": "second"}, 1),
    ("POST", "model-versions/create", {"name": "nobody", "source": SOURCE}, 0),
    ("PATCH", "model-versions/update", {"name": "m", "version": "1", "description": "d"}, 0),
    ("POST", "model-versions/set-tag", {"name": "m", "version": "1", **TAG}, 1),
    ("POST", "model-versions/set-tag", {"name": "m", "version": "1", "key": "k", "value": ""}, 1),
    ("POST", "model-versions/set-tag", {"name": "m", "version": "99", **TAG}, 0),
    ("DELETE", "model-versions/delete-tag", {"name": "m", "version": "1", "key": "k"}, 1),
    ("POST", "model-versions/transition-stage", {"name": "m", "version": "1", "stage": "Staging", "archive_existing_versions": False}, 0),
    ("POST", "registered-models/alias", {"name": "m", "alias": "champion", "version": "1"}, 1),
    ("POST", "registered-models/alias", {"name": "m", "alias": "champion", "version": "2"}, 1),
    ("DELETE", "registered-models/alias", {"name": "m", "alias": "champion"}, 1),
    ("POST", "registered-models/create", {"name": "p", "tags": [PROMPT_TAG, TYPE_TAG, TAG], "description": "a prompt"}, 1),
    ("POST", "registered-models/set-tag", {"name": "p", **TAG}, 1),
    ("DELETE", "registered-models/delete-tag", {"name": "p", "key": "k"}, 1),
    ("POST", "model-versions/create", {"name": "p", "source": "dummy-source", "tags": [PROMPT_TAG, TYPE_TAG, TEXT_TAG, TAG]}, 1),
    ("POST", "model-versions/create", {"name": "p", "source": "dummy-source", "tags": [PROMPT_TAG], "description": "without a text"}, 1),
    # A version of a prompt that does not say that it is one.
    ("POST", "model-versions/create", {"name": "p", "source": SOURCE, "tags": [TEXT_TAG]}, 1),
    ("POST", "model-versions/set-tag", {"name": "p", "version": "1", **TAG}, 1),
    ("DELETE", "model-versions/delete-tag", {"name": "p", "version": "1", "key": "k"}, 1),
    ("POST", "registered-models/alias", {"name": "p", "alias": "production", "version": "1"}, 1),
    ("DELETE", "registered-models/alias", {"name": "p", "alias": "production"}, 1),
    # What makes a prompt of a model is told of the prompt that it is by then, and the other way round.
    ("POST", "registered-models/set-tag", {"name": "n", **PROMPT_TAG}, 1),
    ("DELETE", "registered-models/delete-tag", {"name": "n", "key": "mlflow.prompt.is_prompt"}, 0),
    ("POST", "registered-models/rename", {"name": "n", "new_name": "o"}, 0),
    ("DELETE", "model-versions/delete", {"name": "m", "version": "1"}, 0),
    ("DELETE", "registered-models/delete", {"name": "m"}, 0),
]


def _call(server: Server, method: str, route: str, body: Any) -> int:
    connection = Connection(server.port)
    answer = connection.send(Request(method, API + route, body=body))
    connection.close()
    return answer.status


def _subscribe(server: Server, url: str) -> None:
    events = [{"entity": entity, "action": action} for entity, action in EVENTS]
    assert _call(server, "POST", "webhooks", {"name": "all", "url": url, "events": events, "secret": SECRET}) == 200


def _told(server: Server, receiver: Receiver, path: str) -> Counter[str]:
    """What the calls tell, in any order: nobody promises one."""
    expected = sum(count for *_, count in CALLS)
    for method, route, body, count in CALLS:
        status = _call(server, method, route, body)
        assert (status == 200) or count == 0, f"{route} {body}: {status}"
    messages = receiver.wait_for(expected, path)
    assert len(messages) == expected
    assert all(message.is_signed_with(SECRET) for message in messages)
    bodies = [message.json() for message in messages]
    return Counter(json.dumps({name: body[name] for name in ("entity", "action", "data")}) for body in bodies)


def test_changes_are_told_as_by_the_official_server(engine: str, fleet: Fleet, receiver: Receiver) -> None:
    told = []
    for turn, kind in enumerate(("official", fleet.candidate_kind)):
        name = f"events-{turn}-{engine}"
        server = fleet.start(kind, name, fleet.database(engine, name), tuple(WEBHOOKS.items()))
        _subscribe(server, receiver.url(f"/{turn}"))
        told.append(_told(server, receiver, f"/{turn}"))
        server.stop()
    official, own = told
    assert own == official


def test_replicas_tell_once(fleet: Fleet, receiver: Receiver) -> None:
    """Two replicas, both asked, one killed in the middle: every change is told, and none that did not happen."""
    uri = fleet.database("postgresql", "events-replicas")
    servers = [fleet.start("ferroflow", f"events-replica-{n}", uri, (*WEBHOOKS.items(), ("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", "1"))) for n in range(2)]
    _subscribe(servers[0], receiver.url("/told"))
    made = []
    for number in range(60):
        server = servers[number % 2] if number < 30 else servers[1]
        if number == 30:
            servers[0].kill()
        if _call(server, "POST", "registered-models/create", {"name": f"model {number}"}) == 200:
            made.append(f"model {number}")
    assert len(made) == 60
    # What the killed one was sending is due again after its lease; nothing was lost then, and its id says that it is the same.
    messages = receiver.wait_for(60, "/told", timeout=120)
    by_id = {message.delivery_id(): message.json()["data"]["name"] for message in messages}
    assert sorted(by_id.values()) == sorted(made)
    servers[1].stop()
