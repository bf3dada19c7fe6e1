"""Webhooks: create, get, list, update, delete, and the test of one without a receiver."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from differential.pair import Pair
from differential.steps import ODD_STRINGS, UNKNOWN_WEBHOOK, create_webhook
from differential.steps import PUBLIC_URL as URL
from ports import free_port
from receiver import Receiver

CREATED = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
ENTITIES = (
    *("REGISTERED_MODEL", "MODEL_VERSION", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS", "PROMPT", "PROMPT_VERSION"),
    *("PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS"),
)
ACTIONS = ("CREATED", "UPDATED", "DELETED", "SET")
EVENTS: list[Any] = [
    *(None, [], {}, "abc", 3, [None], ["a"], [{}], [{"entity": "PROMPT"}], [{"action": "SET"}], [CREATED, {}]),
    *([{"entity": "RUN", "action": "CREATED"}], [{"entity": "prompt", "action": "created"}], [{"entity": "", "action": ""}]),
    *([{"entity": 1, "action": 1}], [{"entity": "5", "action": "1"}], [{"entity": 0, "action": 1}], [{"entity": 99, "action": 1}]),
    *([{"entity": "ENTITY_UNSPECIFIED", "action": "CREATED"}], [{"entity": "PROMPT", "action": "ACTION_UNSPECIFIED"}]),
    *([{"entity": None, "action": "CREATED"}], [{"entity": True, "action": "CREATED"}], [{"entity": 1.5, "action": "CREATED"}]),
    *([CREATED, CREATED], [CREATED, {"entity": "PROMPT", "action": "CREATED"}], [{**CREATED, "more": 1}]),
    *([CREATED, {"entity": "PROMPT", "action": "SET"}], [{"entity": ["PROMPT"], "action": "CREATED"}]),
]
STATUSES: list[Any] = ["ACTIVE", "DISABLED", "active", "", None, 0, 1, 2, 3, "1", "2", "x", 1.5, True, [], {}]


def test_create_and_read(pair: Pair) -> None:
    webhook = create_webhook(pair, description="the üsual", secret="a secret", status="DISABLED", events=[{"entity": "PROMPT", "action": "CREATED"}, CREATED])
    pair.get(f"webhooks/{webhook}")
    pair.get(f"webhooks/{create_webhook(pair)}")
    pair.get(f"webhooks/{create_webhook(pair, description='', secret='')}")
    pair.post("webhooks", b'"{\\"name\\": \\"twice\\", \\"url\\": \\"https://93.184.216.34\\", \\"events\\": []}"')


def test_every_event(pair: Pair) -> None:
    for entity in ENTITIES:
        for action in ACTIONS:
            pair.post("webhooks", {"name": "event", "url": URL, "events": [{"entity": entity, "action": action}]})
    webhook = create_webhook(pair, events=[{"entity": e, "action": "CREATED"} for e in ENTITIES if not e.endswith("TAG")])
    pair.get(f"webhooks/{webhook}")


def test_events(pair: Pair) -> None:
    for events in EVENTS:
        pair.post("webhooks", {"name": "events", "url": URL, "events": events})
    webhook = create_webhook(pair)
    for events in EVENTS:
        # With a status, since the official server takes its absence for ACTIVE.
        if pair.patch(f"webhooks/{webhook}", {"events": events, "status": "ACTIVE"}).succeeded():
            pair.get(f"webhooks/{webhook}")


def test_names(pair: Pair) -> None:
    names = (
        *("a", "A-1._b", "x" * 62, "x" * 63, "x" * 64, "-a", "a-", ".a", "a.", "_", "a b", "a\n", "a/b", "a'b", 'a"b', "é", "0"),
        *("a--b", "a..b", "a\tb", "a\\b", "a\u2028b", "a\u00a0b"),
    )
    webhook = create_webhook(pair)
    for name in (*names, *ODD_STRINGS):
        pair.post("webhooks", {"name": name, "url": URL, "events": [CREATED]})
        pair.patch(f"webhooks/{webhook}", {"name": name, "status": "ACTIVE"})
        pair.get(f"webhooks/{webhook}")
    # Names need not be unique.
    pair.post("webhooks", {"name": "a", "url": URL, "events": [CREATED]})


def test_urls(pair: Pair) -> None:
    urls = (
        *(URL, "HTTPS://93.184.216.34/Path?query=ü#x", "http://93.184.216.34", " https://93.184.216.34/", "https://user:word@93.184.216.34/"),
        *("ftp://93.184.216.34", "file:///etc/passwd", "javascript:alert(1)", "nothing", "//93.184.216.34", "https//a", ":", "://"),
        *(" ", "\t\n", "https://[::1", "https://]/", "gopher://93.184.216.34/", "https://[2606:4700::1111]:8443/a", "https://93.184.216.34:99"),
        *("https://93.184.216.34/" + "x" * 470, "https://93.184.216.34/" + "x" * 490),
    )
    webhook = create_webhook(pair)
    for url in (*urls, *ODD_STRINGS):
        pair.post("webhooks", {"name": "url", "url": url, "events": [CREATED]})
        pair.patch(f"webhooks/{webhook}", {"url": url, "status": "ACTIVE"})
        pair.get(f"webhooks/{webhook}")


def test_urls_that_lead_nowhere(pair: Pair) -> None:
    """The official server takes whatever has a scheme."""
    webhook = create_webhook(pair)
    for url in ("https://", "https:", "https:///x", "https://a b/", "https://a:99999/", "https://%/", "https://a%00b/", "https://1.2.3.4.5/"):
        pair.post("webhooks", {"name": "url", "url": url, "events": [CREATED]})
        pair.patch(f"webhooks/{webhook}", {"url": url, "status": "ACTIVE"})


def test_urls_that_lead_inside(pair: Pair) -> None:
    """Nothing but what the tests' receivers listen on is allowed to the servers of the tests."""
    webhook = create_webhook(pair)
    for host in ("10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "[fd00:ec2::254]", "0xa.1", "167772161", "0.0.0.0", "[64:ff9b::a00:1]"):
        pair.post("webhooks", {"name": "url", "url": f"https://{host}/", "events": [CREATED]})
        pair.patch(f"webhooks/{webhook}", {"url": f"https://{host}/", "status": "ACTIVE"})


def test_other_fields(pair: Pair) -> None:
    webhook = create_webhook(pair)
    for field in ("description", "secret"):
        for value in (*ODD_STRINGS, "x" * 999, "x" * 1000, "x" * 1001):
            pair.post("webhooks", {"name": "other", "url": URL, "events": [CREATED], field: value})
            if pair.patch(f"webhooks/{webhook}", {field: value, "status": "ACTIVE"}).succeeded():
                pair.get(f"webhooks/{webhook}")
    for value in STATUSES:
        pair.post("webhooks", {"name": "other", "url": URL, "events": [CREATED], "status": value})
        pair.patch(f"webhooks/{create_webhook(pair)}", {"status": value})


def test_missing_fields(pair: Pair) -> None:
    good = {"name": "missing", "url": URL, "events": [CREATED]}
    for name in good:
        pair.post("webhooks", {field: value for field, value in good.items() if field != name})
    pair.post("webhooks")
    pair.post("webhooks", {})
    pair.post("webhooks", b"{bad")
    pair.post("webhooks", [])
    # Several are wrong: which one is named first?
    pair.post("webhooks", {"name": "-", "url": "ftp://x", "events": []})
    pair.post("webhooks", {"name": "-", "url": "ftp://x", "events": [{"entity": "PROMPT", "action": "SET"}]})
    pair.post("webhooks", {"name": 1, "url": 2, "events": 3})


def test_update(pair: Pair) -> None:
    webhook = create_webhook(pair, description="first", secret="s")
    for body in ({"name": "new"}, {"description": "second"}, {"url": URL + "2"}, {"events": [{"entity": "PROMPT", "action": "CREATED"}]}, {"secret": "t"}):
        pair.patch(f"webhooks/{webhook}", {**body, "status": "ACTIVE"})
        pair.get(f"webhooks/{webhook}")
    for body in (None, {}, {"name": "", "url": "", "description": "", "events": [], "secret": ""}, {"webhook_id": UNKNOWN_WEBHOOK}):
        pair.patch(f"webhooks/{webhook}", body)
        pair.get(f"webhooks/{webhook}")


def test_an_update_without_a_status_enables_nothing(pair: Pair) -> None:
    webhook = create_webhook(pair, status="DISABLED")
    pair.patch(f"webhooks/{webhook}", {"description": "still off"})
    pair.patch(f"webhooks/{webhook}", {"status": "DISABLED"})
    pair.get(f"webhooks/{webhook}")


def test_delete(pair: Pair) -> None:
    other, webhook = create_webhook(pair), create_webhook(pair)
    for identifier in (other, webhook) * 2:
        pair.delete(f"webhooks/{identifier}")
    pair.get(f"webhooks/{other}")
    pair.get(f"webhooks/{webhook}")
    pair.patch(f"webhooks/{webhook}", {"name": "a"})
    pair.patch(f"webhooks/{webhook}", {"name": "-"})
    pair.patch(f"webhooks/{webhook}", {"url": "ftp://x"})
    pair.post(f"webhooks/{webhook}/test", {})


def test_unknown_webhooks(pair: Pair) -> None:
    for identifier in (UNKNOWN_WEBHOOK, "abc", "%20", "x" * 300, "%C3%BC", "%00", "'"):
        pair.get(f"webhooks/{identifier}")
        pair.delete(f"webhooks/{identifier}")
        pair.patch(f"webhooks/{identifier}", {"name": "a", "webhook_id": unquote(identifier)})
        pair.patch(f"webhooks/{identifier}", {})
        pair.post(f"webhooks/{identifier}/test", {})
        pair.post(f"webhooks/{identifier}/test", {"event": CREATED})


def test_list(pair: Pair) -> None:
    for name in range(4):
        create_webhook(pair, description=str(name))
    deleted = create_webhook(pair)
    pair.delete(f"webhooks/{deleted}")
    page = pair.get("webhooks", max_results=2)
    second = pair.get("webhooks", max_results=1, page_token=page.ref("next_page_token"))
    pair.get("webhooks", max_results=1, page_token=second.ref("next_page_token"))
    # No page that reaches the webhooks of other tests, which need not be the same.
    for value in (1, "1", " 2", "2.0", "1e0", 4, -1, "-1", 1001, 1000000, 2**31, -(2**31) - 1, "abc", "1.5", "", "NaN", "true"):
        pair.get("webhooks", max_results=value)
    for token in ("abc", "e30=", "eyJvZmZzZXQiOiAxfQ==", "eyJvZmZzZXQiOiAtMX0=", "bnVsbA==", "%"):
        pair.get("webhooks", max_results=1, page_token=token)


def test_test_without_a_receiver(pair: Pair) -> None:
    """Every bad event is refused before anything is sent."""
    webhook = create_webhook(pair)
    for event in ({"entity": "PROMPT", "action": "SET"}, {"entity": "PROMPT", "action": "UPDATED"}, {"entity": "RUN", "action": "SET"}):
        pair.post(f"webhooks/{webhook}/test", {"event": event})
    for event in ({}, {"entity": "PROMPT"}, {"action": "SET"}, {"entity": "ENTITY_UNSPECIFIED", "action": "SET"}):
        pair.post(f"webhooks/{webhook}/test", {"event": event})


def test_names_of_fields_in_camel_case(pair: Pair) -> None:
    webhook = create_webhook(pair)
    pair.patch(f"webhooks/{webhook}", {"webhookId": UNKNOWN_WEBHOOK, "status": "ACTIVE"})


def test_test(pair: Pair, receiver: Receiver) -> None:
    webhook = create_webhook(pair, url=receiver.url("/ok"), events=[CREATED, {"entity": "PROMPT", "action": "CREATED"}])
    for body in (None, {}, {"event": None}, {"event": CREATED}, {"event": {"entity": "PROMPT_TAG", "action": "SET"}}, {"webhook_id": "x"}):
        pair.post(f"webhooks/{webhook}/test", body)
    pair.post(f"webhooks/{create_webhook(pair, url=receiver.url('/off'), status='DISABLED')}/test", {})
    for status in (201, 204, 400, 401, 404, 410, 418, 429, 500, 501, 503):
        pair.post(f"webhooks/{create_webhook(pair, url=receiver.url(f'/status/{status}'))}/test", {})


def test_test_of_what_leads_elsewhere(pair: Pair, receiver: Receiver) -> None:
    for secret in ("", "a secret"):
        webhook = create_webhook(pair, url=receiver.url("/redirect"), secret=secret)
        pair.post(f"webhooks/{webhook}/test", {})
    nobody = create_webhook(pair, url=f"http://127.0.0.1:{free_port()}/")
    pair.post(f"webhooks/{nobody}/test", {})
