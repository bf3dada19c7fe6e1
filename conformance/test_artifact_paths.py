"""Paths and locations that have led out of MLflow's artifact roots before, against every route that takes one, byte for byte.

The advisories: CVE-2023-1177, -2023-6753, -2023-6831, -2023-6909, -2023-6974, -2024-1483, -2024-1558, -2024-1560, -2024-1593,
-2024-1594, -2024-3573, -2026-2033 and those of their kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from raw_http import RawConnection
from servers import Server, start_ferroflow

SECRET = "outside of the artifact root"
INSIDE = "inside of the artifact root"
NAME = "secret.txt"

UP = ["..", "%2e%2e", "%2E.", "%252e%252e", "%25252e%25252e", "..;", "..;a=b", "..%00", "%00..", "..%20", "..%09", ".%0a.", "..%3b", "..#", "..%23", "..?", "..%3f", "%c0%ae%c0%ae", "%ef%bc%8e%ef%bc%8e", "%u002e%u002e", "....", "..../", ".../"]
SLASHES = ["/", "%2f", "%252f", "%25252f", "\\", "%5c", "%255c", "//", "/./", "/%2e/", "%2f%2f", "%c0%af", "%ef%bc%8f", "/;/", "/%20/"]
ABSOLUTE = ["/{d}/secret.txt", "//{d}/secret.txt", "%2f{d}%2fsecret.txt", "%252f{d}/secret.txt", "\\{d}\\secret.txt", "file:{d}/secret.txt", "file://{d}/secret.txt", "file:///{d}/secret.txt", "file::{d}/secret.txt", "FILE:{d}/secret.txt", "%66ile:{d}/secret.txt", "file%3a{d}/secret.txt", "file%253a{d}/secret.txt", "file:{d}/secret.txt#x", "local:{d}/secret.txt", "http://127.0.0.1/{d}/secret.txt", "s3://bucket/../../{d}/secret.txt", "C:/secret.txt", "C:%5csecret.txt", "c%3a%2fsecret.txt", "\\\\127.0.0.1\\c$\\secret.txt", "%5c%5c127.0.0.1%5cshare", "~/secret.txt", "~root/secret.txt", "$HOME/secret.txt", "link/secret.txt", "link/../secret.txt", "link%2fsecret.txt", "link", "broken/secret.txt"]
ODD = ["", ".", "./", "%2e", "%00", "a%00b", "\x00", "%", "%2", "%zz", "%ff", "\xff", "a#b", "?", "a?b", "*", "a" * 300, "a/" * 60 + "x", "%2e%2e%2f" * 300 + "secret.txt", "../" * 50 + "etc/passwd", "/proc/self/environ", "%2fproc%2fself%2fenviron", "[::1]", "http://[/x", "a\tb", ".ferroflow-upload-1"]
LOCATIONS = ["{d}", "file://{d}", "file:{d}", "FILE:{d}", "file::{d}", "file://localhost{d}", "file://127.0.0.1{d}", "file://./{d}", ".", "..", "artifacts/..", "", "~", "///{d}", "\\{d}", "C:{d}", "\\\\127.0.0.1\\share", "http:///#/../../{d}/", "mlflow-artifacts:/#/../../..{d}", "mlflow-artifacts:/../", "mlflow-artifacts:/%2e%2e/", "mlflow-artifacts:/..%252f", "mlflow-artifacts:/a\\..\\..", "mlflow-artifacts:/%5c..%5c", "mlflow-artifacts:/x?a=/../..", "mlflow-artifacts://u:p@h/x", "http://h/api/2.0/mlflow-artifacts/artifacts/../..", "http://h/api/2.0/mlflow-artifacts/artifacts/%2e%2e/", "http://u:p@h/x", "s3://u:p@b/x", "s3://b/../x", "s3://b/x;p#f", "runs:/x", "models:/m/1", "sqlite:///{d}/mlflow.db", "javascript:alert(1)", "data:text/html,x", "local:{d}", "://{d}", ":{d}", "%66ile://{d}", " {d}", "\t{d}", "mlflow-artifacts:/\x07", "s3://b/%00", "s3://b/" + "a" * 3000]


@dataclass(frozen=True)
class Place:
    """A server, what stands before its routes, and what it has: a run and a logged model of experiment 0."""

    server: Server
    prefix: str
    run: str
    model: str

    def routes(self, api: str) -> list[tuple[str, str]]:
        """Method and target of every route that takes the path of an artifact; `{}` is the path."""
        proxy, mlflow = (f"{self.prefix}/{api}/2.0/{part}" for part in ("mlflow-artifacts", "mlflow"))
        mpu = [("POST", f"{proxy}/mpu/{verb}/{{}}") for verb in ("create", "complete", "abort")]
        everywhere = [
            *(("GET", f"{proxy}/artifacts/{{}}"), ("GET", f"{proxy}/artifacts?path={{}}"), ("GET", f"{proxy}/zip?path={{}}")),
            *(("PUT", f"{proxy}/artifacts/{{}}"), ("DELETE", f"{proxy}/artifacts/{{}}"), *mpu),
            *(("GET", f"{mlflow}/artifacts/list?run_id={self.run}&path={{}}"), ("GET", f"{mlflow}/artifacts/zip?run_id={self.run}&path={{}}")),
            ("GET", f"{mlflow}/logged-models/{self.model}/artifacts/directories?artifact_directory_path={{}}"),
            ("GET", f"{mlflow}/logged-models/{self.model}/artifacts/zip?artifact_directory_path={{}}"),
        ]
        if api == "api":
            return [*everywhere, ("GET", f"{self.prefix}/get-artifact?run_id={self.run}&path={{}}")]
        return [
            *everywhere,
            ("GET", f"{mlflow}/logged-models/{self.model}/artifacts/files?artifact_file_path={{}}"),
            ("POST", f"{mlflow}/upload-artifact?run_uuid={self.run}&path={{}}"),
        ]


@pytest.fixture(scope="module", params=["", "/ml/flow"], ids=["root", "prefix"])
def place(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[Place]:
    """A server with a secret beside its artifacts, and links to it among them."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server gives out what is outside of its roots")
    prefix = str(request.param)
    directory = fleet.directory / f"paths-{len(prefix)}"
    environment = {"MLFLOW_STATIC_PREFIX": prefix} if prefix else {}
    (directory / "artifacts" / "keep").mkdir(parents=True)
    (directory / NAME).write_text(SECRET)
    (directory / "artifacts" / "keep" / "inside.txt").write_text(INSIDE)
    (directory / "artifacts" / "link").symlink_to(directory)
    (directory / "artifacts" / "broken").symlink_to(directory / "nothing")
    server = start_ferroflow(directory, f"sqlite:///{directory / 'mlflow.db'}", environment, probe=f"{prefix}/readyz")
    connection = Connection(server.port)
    mlflow = f"{prefix}/api/2.0/mlflow"
    run = connection.send(Request("POST", f"{mlflow}/runs/create", body={"experiment_id": "0"})).json()
    model = connection.send(Request("POST", f"{mlflow}/logged-models", body={"experiment_id": "0"})).json()
    connection.close()
    try:
        yield Place(server, prefix, run["run"]["info"]["run_id"], model["model"]["info"]["model_id"])
    finally:
        server.stop()


def _paths(directory: Path) -> list[bytes]:
    # Every way to write `..` with the usual slashes, and every slash with the usual ways.
    pairs = [*itertools.product(UP, SLASHES[:2]), *itertools.product(UP[:4], SLASHES)]
    climbing = [slash.join([*[up] * depth, NAME]) for (up, slash), depth in itertools.product(pairs, (1, 3))]
    below = [f"a{slash}..{slash}..{slash}..{slash}{NAME}" for slash in SLASHES]
    absolute = [path.replace("{d}", str(directory)[1:] if path.startswith("/") else str(directory)) for path in ABSOLUTE]
    return [path.encode("latin-1") for path in dict.fromkeys([*climbing, *below, *absolute, *ODD])]


def _outside(directory: Path) -> dict[Path, bytes | str]:
    """All that is beside the artifacts, but for what the server itself writes."""
    own = ("artifacts", "server.log")
    return {
        path: path.read_bytes() if path.is_file() else "folder"
        for top in directory.iterdir()
        if top.name not in own and not top.name.startswith("mlflow.db")
        for path in [top, *top.rglob("*")]
    }


def _betrays(answer: Answer, server: Server) -> str | None:
    """What an answer shows that it must not."""
    # Names of the server's folders may be parts of the names that these tests themselves have stored.
    in_messages = (str(server.directory), "os error") if answer.status >= 400 else ()
    for text in (SECRET, "server.log", "root:x:0", *in_messages):
        if text.encode() in answer.body:
            return text
    return None


def test_no_path_leads_out(place: Place) -> None:
    server = place.server
    before = _outside(server.directory)
    paths = _paths(server.directory)
    assert len(paths) > 200
    connection = RawConnection(server.port)
    wrong = []
    for api, path in itertools.product(("api", "ajax-api"), paths):
        for method, route in place.routes(api):
            answer = connection.send(method, route.encode().replace(b"{}", path), b"x" if method in ("PUT", "POST") else b"")
            betrayed = _betrays(answer, server)
            # What is asked for is what the message may repeat.
            if betrayed == str(server.directory) and str(server.directory).encode() in path:
                betrayed = None
            if (answer.status >= 500 and answer.status != 501) or betrayed:
                wrong.append(f"{method} {route} {path[:80]!r}: {answer.status} {answer.body[:200]!r}")
    connection.close()
    assert not wrong, "\n".join(wrong[:20])
    assert _outside(server.directory) == before
    assert not Path("/var/tmp/ferroflow-outside").exists()
    assert (server.directory / "artifacts" / "keep" / "inside.txt").read_text() == INSIDE
    assert b"panicked" not in server.log().encode()


def test_no_target_leads_out(place: Place) -> None:
    """Whole targets that no router should understand."""
    prefix = place.prefix
    proxy = f"{prefix}/api/2.0/mlflow-artifacts/artifacts"
    targets = [
        *(f"/../{NAME}", f"//{NAME}", f"{prefix}/../{NAME}", f"{prefix}/static-files/../{NAME}", f"{prefix}/static-files/%2e%2e/{NAME}"),
        *(f"/{proxy}/../{NAME}", f"{proxy}/../../../../{NAME}", f"{proxy}//../{NAME}", f"{proxy};/../{NAME}", f"{proxy}/keep/..;/../{NAME}"),
        *(f"http://localhost{proxy}/../{NAME}", f"http://evil.example{proxy}/%2e%2e/{NAME}", f"{proxy}%2f..%2f{NAME}", f"*{proxy}/..", NAME),
        *(f"{prefix}/%61pi/2.0/mlflow-artifacts/artifacts/../{NAME}", f"{prefix}/API/2.0/mlflow-artifacts/artifacts/../{NAME}"),
        *(f"{prefix}/get-artifact?run_id={place.run}&path=keep&path=../{NAME}", f"{prefix}/get-artifact?run_id=../..&path={NAME}"),
        *(f"{prefix}/get-artifact?run_id={place.run}%00&path={NAME}", f"{prefix}//get-artifact?run_id={place.run}&path=../{NAME}"),
    ]
    before = _outside(place.server.directory)
    connection = RawConnection(place.server.port)
    for method, target in itertools.product(("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"), targets):
        answer = connection.send(method, target.encode())
        assert answer.status < 500 and not _betrays(answer, place.server), (method, target, answer)
    connection.close()
    assert _outside(place.server.directory) == before


def test_the_root_is_neither_deleted_nor_packed(place: Place) -> None:
    proxy = f"{place.prefix}/api/2.0/mlflow-artifacts"
    connection = RawConnection(place.server.port)
    for path in (b".", b"./", b"%2e", b"/", b"%2f", b"./.", b"%2e/%2e", b"file:", b"%252e"):
        assert connection.send("DELETE", f"{proxy}/artifacts/".encode() + path).status in (400, 404), path
        assert connection.send("GET", f"{proxy}/zip?path=".encode() + path).status == 400, path
    connection.close()
    assert (place.server.directory / "artifacts" / "keep" / "inside.txt").read_text() == INSIDE


def test_experiments_are_kept_where_they_may_be(place: Place) -> None:
    connection = Connection(place.server.port)
    directory = str(place.server.directory)
    for number, location in enumerate(LOCATIONS):
        if not location:
            continue
        named = location.replace("{d}", directory)
        body = {"name": f"location {number}", "artifact_location": named}
        answer = connection.send(Request("POST", f"{place.prefix}/api/2.0/mlflow/experiments/create", body=body))
        assert answer.status == 400, f"{named}: {answer}"
        assert answer.json()["error_code"] in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"), answer
        assert directory not in answer.json()["message"].replace(named, ""), answer
    connection.close()


def test_nobody_says_where_a_run_is_kept(place: Place) -> None:
    connection = Connection(place.server.port)
    mlflow = f"{place.prefix}/api/2.0/mlflow"
    body = {"experiment_id": "0", "artifact_uri": "/etc", "artifact_location": "/etc", "tags": [{"key": "mlflow.artifactLocation", "value": "/etc"}]}
    run = connection.send(Request("POST", f"{mlflow}/runs/create", body=body)).json()["run"]["info"]
    assert run["artifact_uri"] == f"mlflow-artifacts:/0/{run['run_id']}/artifacts"
    model = connection.send(Request("POST", f"{mlflow}/logged-models", body={**body, "artifact_uri": "/etc"})).json()["model"]["info"]
    assert model["artifact_uri"].startswith("mlflow-artifacts:/0/models/m-")
    connection.close()
