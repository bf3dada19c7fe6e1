"""The calls that are measured: what is sent, which answer is right, and what must be in the database afterwards.

Bodies are what the Python client of MLflow 3.7.0 sends. `$run` and `$n` are filled in for each request, see `wrk.lua`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass, replace
from typing import Any, Callable

import seed
import seed_registry

API = "/api/2.0/mlflow"
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "mlflow-python-client/3.7.0",
}
TIMEOUT = 120.0


@dataclass(frozen=True)
class Call:
    """A call. `expect` tells whether an answer is right; `written` counts, in SQL, what the call has added so far."""

    name: str
    method: str
    path: str
    body: str = ""
    expect: Callable[[Any], bool] = lambda answer: True
    written: str = ""
    rows: int = 1
    page: int = 0


@dataclass(frozen=True)
class Probe:
    """One request before the measurement: how long it took, and how large the answer's body was on the wire."""

    seconds: float
    size: int


class Unsupported(Exception):
    """The server does not have the call, or answers something else than is asked for."""


def all_calls(runs: int) -> list[Call]:
    """Every call, for databases with this many runs."""
    return [Call("health", "GET", "/health"), *_writes(), *_searches(runs), *_histories(), *_registry()]


def _writes() -> list[Call]:
    pair = '{"run_uuid": "$run", "key": "%s", "value": "%s", "run_id": "$run"}'
    metric = '"key": "w", "value": 0.7310585$n, "timestamp": 1795438994418, "step": $n'
    tags = ", ".join(
        f'{{"key": "mlflow.{key}", "value": "{value}"}}'
        for key, value in (("user", "bench"), ("source.name", "train.py"), ("source.type", "LOCAL"))
    )
    create = f'{{"experiment_id": "{seed.WRITTEN_EXPERIMENT}", "user_id": "bench", "start_time": 1795438994418, '
    return [
        Call(
            "log-metric",
            "POST",
            f"{API}/runs/log-metric",
            f'{{"run_uuid": "$run", {metric}, "run_id": "$run"}}',
            written="SELECT COUNT(*) FROM metrics WHERE key = 'w'",
        ),
        *(_log_batch(count) for count in (10, 100, 1000)),
        Call(
            "log-parameter",
            "POST",
            f"{API}/runs/log-parameter",
            pair % ("w$n", "0.$n"),
            written="SELECT COUNT(*) FROM params WHERE key LIKE 'w%'",
        ),
        Call(
            "set-tag",
            "POST",
            f"{API}/runs/set-tag",
            pair % ("w$n", "value $n"),
            written="SELECT COUNT(*) FROM tags WHERE key LIKE 'w%'",
        ),
        Call(
            "create-run",
            "POST",
            f"{API}/runs/create",
            f'{create}"tags": [{tags}]}}',
            expect=lambda answer: len(answer["run"]["info"]["run_id"]) == 32,
            written=f"SELECT COUNT(*) FROM runs WHERE experiment_id = {seed.WRITTEN_EXPERIMENT}",
        ),
    ]


def _log_batch(count: int) -> Call:
    """Ten metrics of some steps each: a step's number is `$n` with digits behind it."""
    digits = len(str(count // 10)) - 1
    steps = [f"$n{step:0{digits}d}" if digits else "$n" for step in range(count // 10)]
    metrics = ", ".join(
        f'{{"key": "b{count}-{key}", "value": 0.{key}310585{step}, "timestamp": 1795438994418, "step": {step}}}'
        for step in steps
        for key in range(10)
    )
    keys = ", ".join(f"'b{count}-{key}'" for key in range(10))
    return Call(
        f"log-batch-{count}",
        "POST",
        f"{API}/runs/log-batch",
        f'{{"run_id": "$run", "metrics": [{metrics}]}}',
        written=f"SELECT COUNT(*) FROM metrics WHERE key IN ({keys})",
        rows=count,
    )


def _search(name: str, size: int, found: int, filter_text: str = "", order: str = "", page: int = 1) -> Call:
    order_by = f', "order_by": ["{order}"]' if order else ""
    body = (
        f'{{"experiment_ids": ["{seed.LARGE_EXPERIMENT}"], "run_view_type": "ACTIVE_ONLY", "filter": "{filter_text}", '
        f'"max_results": {size}{order_by}}}'
    )
    return Call(
        name, "POST", f"{API}/runs/search", body, expect=lambda answer: len(answer.get("runs", [])) == found, page=page
    )


def _searches(runs: int) -> list[Call]:
    active = seed.large_active(runs)
    filter_text = "metrics.m0 > 0.9 and params.p0 = '3'"
    deepest = 1_000 if runs >= 10_000 else 100
    size = max(1, min(100, active // deepest))
    get_run = Call(
        "get-run",
        "GET",
        f"{API}/runs/get?run_uuid=$run&run_id=$run",
        expect=lambda answer: len(answer["run"]["data"]["params"]) == 8 and len(answer["run"]["data"]["metrics"]) == 5,
    )
    return [
        get_run,
        _search("search-newest-100", 100, min(100, active)),
        _search("search-filtered", 100, min(100, seed.large_matching(runs)), filter_text, "metrics.m0 DESC"),
        *(_search(f"search-page-{page}", size, size, page=page) for page in (1, 100, 1_000) if page <= deepest),
    ]


def _histories() -> list[Call]:
    def history(points: int) -> Call:
        run = seed.history_run_id(points)
        query = f"run_uuid={run}&metric_key={seed.HISTORY_KEY}&run_id={run}&max_results=25000"
        wanted = min(points, 25_000)
        return Call(
            f"history-{points}",
            "GET",
            f"{API}/metrics/get-history?{query}",
            # FastTrackML takes no notice of max_results.
            expect=lambda answer: len(answer["metrics"]) in (wanted, points),
        )

    def chart(points: int) -> Call:
        query = f"run_ids={seed.history_run_id(points)}&metric_key={seed.HISTORY_KEY}&max_results=320"
        return Call(
            f"chart-{points}",
            "GET",
            f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{query}",
            expect=lambda answer: 320 <= len(answer["metrics"]) <= 322,
        )

    return [history(2_000), history(100_000), chart(100_000), chart(seed.LONG_HISTORY)]


def _registry() -> list[Call]:
    """What the client and the UI ask the registry for most."""
    name, run = seed_registry.model(4242), hashlib.md5(b"run84857").hexdigest()

    def search(call: str, kind: str, found: int, size: int, filter_text: str = "") -> Call:
        query = urllib.parse.urlencode({"filter": filter_text, "max_results": size} if filter_text else {"max_results": size})
        key = {"registered-models": "registered_models", "model-versions": "model_versions"}[kind]
        return Call(call, "GET", f"{API}/{kind}/search?{query}", expect=lambda answer: len(answer.get(key, [])) == found)

    return [
        Call(
            "version-by-alias",
            "GET",
            f"{API}/registered-models/alias?name={name}&alias=champion",
            expect=lambda answer: answer["model_version"]["version"] == str(seed_registry.CHAMPION),
        ),
        search("models-first-25", "registered-models", 25, 25),
        search("models-by-name", "registered-models", seed_registry.like_matching("424"), 100, "name ILIKE '%424%'"),
        search("models-by-tag", "registered-models", 100, 100, "tags.team = 'team3'"),
        search("versions-of-model", "model-versions", seed_registry.VERSIONS, 10_000, f"name = '{name}'"),
        search("versions-of-run", "model-versions", 1, 10_000, f"run_id IN ('{run}')"),
        search("versions-newest-100", "model-versions", 100, 100),
    ]


def prepare(call: Call, port: int) -> Call:
    """The call for one server: a search of a later page gets that server's own token."""
    if call.page <= 1:
        return call
    first = _answer(port, call, call.body)[0]
    token = first["next_page_token"]
    size = len(first["runs"])
    if _is_offset(token):
        token = base64.b64encode(json.dumps({"offset": size * (call.page - 1)}).encode()).decode()
    else:
        for _ in range(call.page - 2):
            token = _answer(port, call, _with_token(call.body, token))[0]["next_page_token"]
    return replace(call, body=_with_token(call.body, token))


def _with_token(body: str, token: str) -> str:
    return f'{body[:-1]}, "page_token": "{token}"}}'


def _is_offset(token: str) -> bool:
    try:
        return set(json.loads(base64.b64decode(token))) == {"offset"}
    except ValueError:
        return False


def probe(call: Call, port: int, run_id: str, number: int) -> Probe:
    """Sends the call twice, so that the second is warm, and checks both answers."""
    for attempt in (number, number + 1):
        began = time.perf_counter()
        answer, size = _answer(port, call, _fill(call.body, run_id, attempt), _fill(call.path, run_id, attempt))
        seconds = time.perf_counter() - began
        if not call.expect(answer):
            raise Unsupported(f"an unexpected answer: {json.dumps(answer)[:200]}")
    return Probe(seconds, size)


def _fill(text: str, run_id: str, number: int) -> str:
    return text.replace("$run", run_id).replace("$n", str(number))


def _answer(port: int, call: Call, body: str, path: str | None = None) -> tuple[Any, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request(call.method, path or call.path, body or None, HEADERS)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        # The official server ends workers that were busy for some seconds, with the requests they have.
        raise Unsupported(f"no answer: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Unsupported(f"{response.status} {text[:200].decode(errors='replace')}")
    content = gzip.decompress(text) if response.headers["Content-Encoding"] == "gzip" else text
    return (json.loads(content) if content[:1] == b"{" else content.decode()), len(text)
