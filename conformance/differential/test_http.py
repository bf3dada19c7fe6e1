"""HTTP itself: health, version, unknown routes, wrong methods, content types, broken JSON, foreign hosts and origins."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.steps import create_experiment, create_run

JSON = ("Content-Type", "application/json")


def test_health_and_version(pair: Pair) -> None:
    for path in ("/health", "/version"):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            pair.send(method, path)


def test_models_for_trying_out_prompts(ajax_pair: Pair) -> None:
    path = "/ajax-api/2.0/mlflow/gateway-proxy"
    for query in ((), (("gateway_path", "api/2.0/endpoints/"),), (("gateway_path", "http://127.0.0.1/"),)):
        ajax_pair.send("GET", path, query=query)
    for body in (None, {}, {"gateway_path": "api/2.0/endpoints/", "json_data": {"prompt": "x"}}, b"{bad"):
        ajax_pair.send("POST", path, body=body)
    for method in ("PUT", "DELETE", "HEAD"):
        ajax_pair.send(method, path)


def test_unknown_routes(pair: Pair) -> None:
    base = f"{pair.prefix}/2.0/mlflow"
    for path in (
        *("/nothing", "/api", "/api/2.0", base, f"{base}/", f"{base}/runs", f"{base}/runs/nothing", f"{base}/runs/get/", f"{base}//runs/get"),
        *(f"{pair.prefix}/1.0/mlflow/runs/get", f"{pair.prefix}/3.0/mlflow/runs/get", f"{base}/Runs/get", f"{base}/runs/get%20", "/health/", "/Health"),
        *(f"{base}/unified-traces", f"{base}/get-online-trace-details", f"{pair.prefix}/2.0mlflow/experiments/search-datasets"),
        *(f"{base}/logged-models", f"{base}/logged-models/", f"{base}/logged-models/a/b", f"{base}/logged-models/a/tags"),
    ):
        for method in ("GET", "POST"):
            pair.send(method, path, body={} if method == "POST" else None)


def test_wrong_methods(pair: Pair) -> None:
    base = f"{pair.prefix}/2.0/mlflow"
    for route in ("runs/create", "runs/get", "runs/search", "experiments/search", "metrics/get-history", "artifacts/list", "logged-models"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            pair.send(method, f"{base}/{route}")
    for method in ("POST", "PATCH", "HEAD"):
        pair.send(method, f"{pair.prefix}/2.0/mlflow-artifacts/artifacts/a.txt")
        pair.send(method, f"{pair.prefix}/2.0/mlflow-artifacts/artifacts")


def test_content_types(pair: Pair) -> None:
    path = f"{pair.prefix}/2.0/mlflow/runs/search"
    for content_type in (
        *("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=latin-1", " application/json"),
        *("text/plain", "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx"),
        *("application/vnd.api+json", "application/json, text/plain", "text/json", "*/*", "application/xml"),
    ):
        pair.send("POST", path, body=b"{}", headers=(("Content-Type", content_type),))
    pair.send("POST", path, body=b"{}")
    pair.send("POST", path)


def test_bodies(pair: Pair) -> None:
    experiment = create_experiment(pair)
    bodies: list[Any] = [
        *(b"", b" ", b"{bad", b"[]", b"[1]", b"3", b'"text"', b'"{}"', b"null", b"true", b"{}", b"{} trailing", b"\xff\xfe", b"\xef\xbb\xbf{}"),
        *(b'{"experiment_ids": ["0"], "experiment_ids": ["1"]}', b'{"max_results": 1e2}', b'{"max_results": 01}', b'{"filter": "\\ud800"}'),
        *(b"{'a': 1}", b'{"a": 1,}', b'{"max_results": NaN}', b'{"max_results": Infinity}', b'"{bad"', b'"[]"', b'"3"', b'{"a": "\x01"}'),
        b"[" * 500 + b"]" * 500,
    ]
    for route in ("runs/search", "runs/create", "runs/log-batch", "logged-models/search"):
        for body in bodies:
            pair.send("POST", f"{pair.prefix}/2.0/mlflow/{route}", body=body, headers=(JSON,))
    double = '"{\\"experiment_ids\\": [\\"' + experiment + '\\"], \\"max_results\\": 1}"'
    pair.post("runs/search", {"experiment_ids": [experiment]})
    pair.send("POST", f"{pair.prefix}/2.0/mlflow/runs/search", body=double.encode(), headers=(JSON,))


def test_query_and_body_together(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    path = f"{pair.prefix}/2.0/mlflow/runs/set-tag"
    pair.send("POST", path, query=(("run_id", run), ("key", "a"), ("value", "b")))
    pair.send("POST", path, query=(("run_id", run),), body={"key": "a", "value": "b"})
    pair.send("GET", f"{pair.prefix}/2.0/mlflow/runs/get?run_id={run}&run_id=")
    pair.send("GET", f"{pair.prefix}/2.0/mlflow/runs/get?run_id={run}&&x=%zz&=")
    pair.send("GET", f"{pair.prefix}/2.0/mlflow/runs/get?run%5Fid={run};x=1")


def test_hosts(pair: Pair) -> None:
    path = f"{pair.prefix}/2.0/mlflow/experiments/get?experiment_id=0"
    for host in (
        *("localhost", "localhost:5000", "127.0.0.1:1", "[::1]", "[::1]:80", "0.0.0.0", "192.168.1.1", "192.168.1.1:80", "10.0.0.1", "172.16.0.1:1"),
        *("172.31.9.9", "172.32.0.1", "evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.evil.example", "8.8.8.8", "a b"),
    ):
        for target in (path, "/health", "/version", "/nothing"):
            pair.send("GET", target, headers=(("Host", host),))


def test_origins(pair: Pair) -> None:
    for origin in (
        *("http://localhost", "http://localhost:3000", "https://127.0.0.1:1", "http://[::1]:80", "http://evil.example", "https://localhost.evil.example"),
        *("null", "", "http://LOCALHOST", "file://"),
    ):
        headers = (("Origin", origin),)
        pair.send("POST", "/api/2.0/mlflow/runs/search", body={}, headers=headers)
        pair.send("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers=headers)
        preflight = (*headers, ("Access-Control-Request-Method", "POST"))
        pair.send("OPTIONS", "/api/2.0/mlflow/runs/search", headers=preflight)
        pair.send("OPTIONS", "/api/2.0/mlflow/runs/search", headers=headers)
    pair.send("OPTIONS", "/api/2.0/mlflow/runs/search")
    pair.send("OPTIONS", "/health")
