"""Records what MLflow 3.7.0 and Python 3.11 answer for a corpus of URIs, into uri.json.

Run from this directory: python record_uri.py   (needs mlflow==3.7.0)
"""

import itertools
import json
import pathlib
import urllib.parse
from unittest import mock

import mlflow.server.handlers  # imports everything that changes urllib.parse's tables
from mlflow.exceptions import MlflowException
from mlflow.utils import file_utils, uri as mlflow_uri

BASES = [
    "", "a", "a/b", "./a", "../a", "/", "//", "/a", "/a/", "//a", "///a", "/a//b", ".", "..", "a/", "a/./b//c/", "databricks",
    "file:a", "file:./a", "file:/a", "file://a", "file:///a", "file:///a/b/", "file://./a", "file://localhost/a",
    "file://localhost:80/a", "file://127.0.0.1/a", "file://LOCALHOST/a", "file://remote/a", "file://123.456.789.123/path/to",
    "FILE:///a", "file:", "file::a", "file:a?x=1", "file:a/b#c", "file:///a%20b", "a%20b", "/a%2520b", "file:../a",
    "s3://bucket", "s3://bucket/", "s3://bucket/a", "s3:bucket", "S3://Bucket/A", "s3:///a", "gs://b/p?k=v", "s3://b/p#f",
    "s3://b/p;x", "http://h", "http://h/p;x", "http://h/p;x/y", "http://h/p?q=1#f", "http:///#/../../etc/", "https:p", "http:p/q;r",
    "wasbs://c@a.blob.core.windows.net/x", "wasbs://c@a.blob.core.windows.net", "abfss://f@a.dfs.core.windows.net/p",
    "mlflow-artifacts:/", "mlflow-artifacts:", "mlflow-artifacts:/1", "mlflow-artifacts://host:5000/1", "mlflow-artifacts:1",
    "runs:/abc", "models:/m/1", "dbfs:/x", "dbfs://prof@databricks/x", "hdfs://n:8020/a", "ftp://u:p@h/a", "sftp://h/a",
    "c:/a", "C:\\a", "\\\\server\\share", "a\\b", "a b", " a", "a ", "\ta", "a\nb", "\x00a", "a\x7fb", "ä/ö", "s3://ü/ö",
    "a;b", "a;b/c", "/a;b", ";", "a;", "#", "a#", "a#b", "?", "a?", "a?b", "a?../b", "s3://b/a?../../x", "s3://b/a?x=..",
    "s3://b/a?x=%2e%2e/y", "s3://b/a?x=%252e%252e", "s3://b/a?x=%25252525252525252525252e%2e", "a:b", "1:b", "a+b:c", "a_b:c", ":a", "a:",
    "svn+ssh:x", "itms-services:x", "ws:x", "http:", "http://", "http:///", "file://", "x:///y", "x:////y", "file:////y",
    "http://[::1]/a", "http://[::1", "http://::1]/a", "http://[1.2.3.4]/a", "http://[v1.a]/b", "http://[v.a]/b", "http://[fe80::1%E]/a",
    "file://[::1]/a", "http://U:P@H:1/x", "//host/path", "//host/path?q", "s3://b//a//b", "%2e%2e/a", "%252e%252e/a", "%", "%%", "%zz", "%4",
    "a%00b", "%e4", "%c3%a4", "%c3ä", "ä%c3%a4", "%F0%9F%98%80", "%ed%a0%80", "%f0%9f%98", "%c3%28",
    "%25", "%2525", "100%", "a%2Fb", "a%23b", "a%3Fb", "a%3F", "a%3b", "%09a", "%20a", "%0aa", "file%3A///etc/passwd", "%66ile:/etc/passwd",
    "http:%2f%2fx", "a%5c..%5cb", "c%3a%5cx", "%2f%2fh%2fp", "%252f", "%3a", "a%3ab", "A%3Ab",
]
SEGMENTS = [["b"], ["1", "abc", "artifacts"], ["/b"], ["b/"], ["", "b"], ["b", "/c"], ["b", "c?d"], ["//b"]]
DECODED = ["%25" * n + "41" for n in range(1, 3)] + ["%" + "25" * n + "41" for n in range(1, 13)]
CWD = pathlib.PosixPath("/srv/mlflow")


def attempt(function, *args):
    try:
        return function(*args)
    except MlflowException as e:
        return {"raises": e.message}
    except ValueError:
        return {"raises": None}


def parse(uri):
    try:
        p = urllib.parse.urlparse(uri)
    except ValueError:
        return None
    return [*p, p.hostname, urllib.parse.urlunparse(p)]


def check_location(uri):
    # Called without a request: only the checks before the store are of interest.
    message = mock.Mock(artifact_location=uri, tags=[], **{"name": "n"})
    with (
        mock.patch.object(mlflow.server.handlers, "_get_request_message", return_value=message),
        mock.patch.object(mlflow.server.handlers, "_get_tracking_store") as store,
    ):
        store.return_value.create_experiment.return_value = "1"
        response = mlflow.server.handlers._create_experiment()
    if response.status_code != 200:
        raise MlflowException(response.get_json()["message"])


recorded = {
    "urlparse": {u: parse(u) for u in BASES},
    "unquote": {u: urllib.parse.unquote(u) for u in BASES},
    "_decode": {u: attempt(mlflow_uri._decode, u) for u in BASES + DECODED},
    "is_local_uri": {u: attempt(mlflow_uri.is_local_uri, u) for u in BASES},
    "local_file_uri_to_path": {u: attempt(file_utils.local_file_uri_to_path, u) for u in BASES},
    "check_artifact_location": {u: attempt(check_location, u) for u in BASES},
    "append_to_uri_path": {
        f"{u} + {' '.join(s)}": attempt(mlflow_uri.append_to_uri_path, u, *s)
        for u, s in itertools.product(BASES, SEGMENTS)
    },
}
with mock.patch.object(pathlib.Path, "cwd", return_value=CWD):
    recorded["resolve_uri_if_local"] = {u: attempt(mlflow_uri.resolve_uri_if_local, u) for u in BASES}

out = pathlib.Path(__file__).with_name("uri.json")
out.write_text(json.dumps(recorded, indent=1, ensure_ascii=True) + "\n")
