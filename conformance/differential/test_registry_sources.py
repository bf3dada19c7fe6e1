"""Where a model version may come from: what has led out of MLflow's artifact roots, with and without a prompt's tag."""

from __future__ import annotations

from differential.pair import Pair
from differential.registry_steps import PROMPT_TAG, create_registered_model, create_version
from differential.steps import UNKNOWN_MODEL, UNKNOWN_RUN, create_experiment, create_model, create_run

ADDRESSES = [
    *("s3://bucket/a/b", "s3://bucket/a%20b/c+d", "s3://b//x/", "mlflow-artifacts:/1/x", "mlflow-artifacts://host:5000/1/x"),
    *("http://host:5000/api/2.0/mlflow-artifacts/artifacts/1/x", "https://host/x?version=3", "gs://b/..a/b..", "dbfs:/x", "hdfs://user@host/x"),
    *("wasbs://container@account.blob.core.windows.net/m", "runs:/0123/model", "whatever:/x", "ftp://user:secret@host/x", "S3://b/x"),
]
FOLDERS = [
    *("/etc", "/", "etc", ".", "./x", "../x", "~/x", " ", "///etc", "//etc", "file:///etc", "FILE:///etc", "file:/etc", "file::/etc", "file:etc"),
    *("file://localhost/etc", "file://127.0.0.1/etc", "file://123.456.789.123/etc", "file://host/etc", "file:..", "file:///etc/..%2f..", "/etc%2f..", "dummy-source"),
    *("\\\\host\\share", "..\\..\\etc", "/a/../../etc", "/etc#x", "/etc?x=1", "/etc;x", "file:///a/%252e%252e/etc", "a:b" * 20, "x" * 4100),
]
ELSEWHERE = [
    *("mlflow-artifacts://host:9000/../../../", "http://host:9000/models/artifacts/../../../", "https://host/models/../../../", "s3:/b/models/../../x"),
    *("mlflow-artifacts://host:9000/..%2f..%2f", "mlflow-artifacts:/%252e%252e/x", "http://host/artifacts%00", "http://host/artifacts%2500", "ftp://host/../x"),
    *("s3:relative", "s3://b", "s3://b/", "mlflow-artifacts:/", "mlflow-artifacts:x", "s3://b/./x", "s3://b/x/.", "s3:..", "C:\\Windows", "C:/Windows/../x"),
    *("s3://b/x?a=../..", "s3://b/x;/../y", "s3://b/x;..", "http:///#/../../etc", "s3://b/x#/../y", "s3://b/x#y", "s3://b/a\\..\\b", "s3://b/a%5c..%5cb"),
    *("s3://b/a%0ab", "https://user:secret@host/x", "s3://user@b/x", "s3://b/%2e%2e", "s3://b/x?a=%252e%252e", "s3://b/" + "%25" * 15 + "2e", "x:/" + "y" * 4100),
    *("http://[::1/x", "mlflow-artifacts:/a/..;/b", "mlflow-artifacts:/a/....//b"),
]


def test_sources(pair: Pair) -> None:
    for source in (*ADDRESSES, *FOLDERS, *ELSEWHERE, None, "", 3, [], {}):
        pair.post("model-versions/create", {"name": create_registered_model(pair), "source": source})


def test_sources_of_prompts(pair: Pair) -> None:
    for source in (*ADDRESSES, *FOLDERS, *ELSEWHERE):
        name = create_registered_model(pair, tags=[PROMPT_TAG])
        for value in ("true", "false"):
            tags = [{**PROMPT_TAG, "value": value}]
            pair.post("model-versions/create", {"name": create_registered_model(pair, tags=tags), "source": source, "tags": tags})
    create_version(pair, name, source="dummy-source", tags=[PROMPT_TAG])
    pair.get("model-versions/get-download-uri", name=name, version="1")


def test_folders_with_a_run_or_a_model(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run, model = create_run(pair, experiment), create_model(pair, experiment)
    for source in FOLDERS:
        for owner in ({"run_id": run}, {"model_id": model}, {"run_id": UNKNOWN_RUN}, {"model_id": UNKNOWN_MODEL}):
            pair.post("model-versions/create", {"name": create_registered_model(pair), "source": source, **owner})
    for source in ADDRESSES[:3]:
        for owner in ({"run_id": UNKNOWN_RUN}, {"run_id": "x", "model_id": model}):
            create_version(pair, create_registered_model(pair), source=source, **owner)

