"""Artifacts: upload, download, list and delete, through the proxy, runs and logged models."""

from __future__ import annotations

from differential.pair import Exchange, Pair
from differential.steps import UNKNOWN_MODEL, UNKNOWN_RUN, create_experiment, create_model, create_run

NAMES = [
    *("model.pkl", "MLmodel", "mlproject", "conda.yaml", "a.txt", "a.json", "a.csv", "a.html", "a.svg", "a.png", "a.js", "a.md", "a.py"),
    *("noextension", "a.tar.gz", "a.unknown", ".hidden", "UPPER.TXT", "a.parquet", "python_env.yaml", "requirements.txt", "a.log", "a.xml"),
    *("a.jpg", "a.gif", "a.pdf", "a.zip", "a.ipynb", "a.yml", "a.jsonnet", "a.tsv", "a.bin", "a.mp4", "a.wasm", "a.css", "a.ini", "a.sh"),
    *("with%20space.txt", "%C3%BC.txt", "per%25cent.txt", "quo%22te.txt", "plus+.txt", "semi%3Bcolon.txt", "a%2Cb.txt", "a%27b.txt", "a:b.txt"),
]
PART = {"part_number": 1, "etag": "e", "url": "u"}
CONTENT = bytes(range(256)) * 5


def _proxy(pair: Pair, path: str = "") -> str:
    return f"{pair.prefix}/2.0/mlflow-artifacts/artifacts{path}"


def _put(pair: Pair, path: str, content: bytes = CONTENT) -> Exchange:
    return pair.send("PUT", _proxy(pair, f"/{path}"), body=content)


def test_content_types(pair: Pair) -> None:
    folder = pair.name("types")
    for name in NAMES:
        _put(pair, f"{folder}/{name}")
        answer = pair.send("GET", _proxy(pair, f"/{folder}/{name}"))
        if answer.succeeded():
            _compare_full_content_type(answer, name)
    pair.send("GET", _proxy(pair), query=(("path", folder),))


def _compare_full_content_type(exchange: Exchange, name: str) -> None:
    official, candidate = (answer.headers.get("content-type") for answer in (exchange.official, exchange.candidate))
    assert official == candidate, f"the content type of {name}: {official!r} != {candidate!r}"


def test_upload_and_overwrite(pair: Pair) -> None:
    folder = pair.name("upload")
    for content in (b"one", b"", b"x" * 300_000):
        _put(pair, f"{folder}/deep/er/file.bin", content)
        pair.send("GET", _proxy(pair, f"/{folder}/deep/er/file.bin"))
    pair.send("PUT", _proxy(pair, f"/{folder}/typed"), body=b"{}", headers=(("Content-Type", "application/json"),))
    pair.send("PUT", _proxy(pair, f"/{folder}/without-body"))
    for path in ("", "/deep", "/deep/er", "/deep/er/file.bin", "/none"):
        pair.send("GET", _proxy(pair), query=(("path", folder + path),))
    for path in ("/deep", "/none", "/deep/er/none", "/deep/er/file.bin/x", ""):
        pair.send("GET", _proxy(pair, f"/{folder}{path}"))
    _put(pair, f"{folder}/deep", b"a file where a folder is")
    _put(pair, f"{folder}/deep/er/file.bin/below", b"below a file")


def test_delete(pair: Pair) -> None:
    folder = pair.name("delete")
    for name in ("a.txt", "b/c.txt", "b/d.txt"):
        _put(pair, f"{folder}/{name}")
    for path in ("/a.txt", "/a.txt", "/none", "/b", "/b", ""):
        pair.send("DELETE", _proxy(pair, f"/{folder}{path}"))
        pair.send("GET", _proxy(pair), query=(("path", folder),))


def test_list_of_the_proxy(pair: Pair) -> None:
    folder = pair.name("list")
    for name in ("b.txt", "a.txt", "C.txt", "dir/x.txt", "dir/sub/y.txt", "%C3%BC.txt", "with%20space.txt"):
        _put(pair, f"{folder}/{name}")
    for path in (folder, f"{folder}/", f"{folder}/dir", f"/{folder}", f"{folder}/a.txt", f"./{folder}", f"{folder}//dir", "none"):
        pair.send("GET", _proxy(pair), query=(("path", path),))
        pair.send("GET", _proxy(pair, "/"), query=(("path", path),))


def test_run_artifacts(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    pair.get("artifacts/list", run_id=run)
    for name in ("top.txt", "dir/a.txt", "dir/sub/b.json"):
        _put(pair, f"{experiment}/{run}/artifacts/{name}", name.encode())
    for path in ("", "dir", "dir/", "dir/sub", "top.txt", "none", "dir//sub", "./dir", "/dir", "dir/../dir", "%2e%2e", "..", "dir%2fsub", "a#b"):
        pair.get("artifacts/list", run_id=run, path=path)
    pair.get("artifacts/list", run_uuid=run)
    pair.get("artifacts/list", run_id=run, page_token="x")
    for query in ({}, {"run_id": UNKNOWN_RUN}, {"run_id": ""}, {"path": "dir"}):
        pair.get("artifacts/list", **query)
    for path in ("top.txt", "dir/a.txt", "dir/sub/b.json", "none", "dir", "", "/top.txt", "dir//a.txt", "top.txt/", "dir%2fa.txt"):
        pair.send("GET", "/get-artifact", query=(("run_id", run), ("path", path)))
        pair.send("GET", "/get-artifact", query=(("run_uuid", run), ("path", path)))
    pair.send("GET", "/get-artifact", query=(("run_id", run),))
    pair.send("GET", "/get-artifact", query=(("path", "top.txt"),))
    pair.send("GET", "/get-artifact", query=(("run_id", UNKNOWN_RUN), ("path", "top.txt")))
    pair.post("runs/delete", {"run_id": run})
    pair.get("artifacts/list", run_id=run)
    pair.send("GET", "/get-artifact", query=(("run_id", run), ("path", "top.txt")))


def test_upload_artifact(ajax_pair: Pair) -> None:
    pair, path = ajax_pair, "/ajax-api/2.0/mlflow/upload-artifact"
    run = create_run(pair, create_experiment(pair))
    for name in ("top.txt", "dir/a.json", "dir/sub/b.bin", "", "/abs", "a/../b", "..", "%2e%2e/a", "a\\b", "a#b", "dir//c.txt", "d/"):
        pair.send("POST", path, query=(("run_uuid", run), ("path", name)), body=CONTENT)
    for query in ((), (("run_uuid", run),), (("path", "a"),), (("run_id", run), ("path", "a")), (("run_uuid", UNKNOWN_RUN), ("path", "a"))):
        pair.send("POST", path, query=query, body=CONTENT)
    pair.send("POST", path, query=(("run_uuid", run), ("path", "empty")), body=b"")
    for size in (10 * 1024 * 1024, 10 * 1024 * 1024 + 1):
        pair.send("POST", path, query=(("run_uuid", run), ("path", "large")), body=b"x" * size)
    for folder in ("", "dir", "dir/sub"):
        pair.get("artifacts/list", run_id=run, path=folder)
    pair.send("GET", "/get-artifact", query=(("run_id", run), ("path", "dir/sub/b.bin")))


def test_logged_model_artifacts(ajax_pair: Pair) -> None:
    pair = ajax_pair
    experiment = create_experiment(pair)
    model = create_model(pair, experiment, name="m")
    directories, files = (f"logged-models/{model}/artifacts/{kind}" for kind in ("directories", "files"))
    pair.get(directories)
    for name in ("MLmodel", "data/model.pkl"):
        _put(pair, f"{experiment}/models/{model}/artifacts/{name}")
    for path in ("", "data", "data/", "none", "..", "MLmodel", "/data", "a#b", "data%2f..%2f.."):
        pair.get(directories, artifact_directory_path=path)
        pair.get(files, artifact_file_path=path)
    pair.get(files, artifact_file_path="data/model.pkl")
    pair.get(files)
    pair.get(f"logged-models/{UNKNOWN_MODEL}/artifacts/files", artifact_file_path="MLmodel")
    pair.get(f"logged-models/{UNKNOWN_MODEL}/artifacts/directories")


def test_multipart_uploads_of_a_local_store(pair: Pair) -> None:
    """A store without multipart uploads says so, and the client then sends the file as a whole."""
    base = f"{pair.prefix}/2.0/mlflow-artifacts/mpu"
    upload = {"path": "a.bin", "upload_id": "u"}
    bodies = {"create": {"path": "a.bin", "num_parts": 2}, "complete": {**upload, "parts": [PART]}, "abort": upload}
    for path in ("a.bin", "deep/er/a.bin", "../a.bin", "%2e%2e/a.bin"):
        for verb, body in bodies.items():
            pair.send("POST", f"{base}/{verb}/{path}", body=body)


def test_artifact_locations_outside_the_proxy(pair: Pair) -> None:
    experiment = create_experiment(pair, artifact_location="mlflow-artifacts:/elsewhere/of/mine")
    run = create_run(pair, experiment)
    _put(pair, f"elsewhere/of/mine/{run}/artifacts/a.txt", b"text")
    pair.get("artifacts/list", run_id=run)
    pair.send("GET", "/get-artifact", query=(("run_id", run), ("path", "a.txt")))
