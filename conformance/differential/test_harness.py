"""The comparison itself: every kind of change to an answer is noticed, and what may differ is not."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from differential.compare import Difference, differences
from differential.normalise import Normaliser, NormalAnswer
from differential.recorder import Recorder
from failures import CRASHES, Case
from http_client import Answer, Request
from servers import Server
from wanted_differences import WANTED, Wanted

RUN = {
    "run": {
        "info": {"run_id": "0" * 32, "experiment_id": "730001", "run_name": "a name", "start_time": 5, "end_time": None},
        "data": {"metrics": [{"key": "m", "value": 1.0, "step": 1}], "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": ""}]},
        "inputs": {},
    }
}
HEADERS = {"content-type": "application/json", "x-content-type-options": "nosniff"}

Change = Callable[[dict[str, Any]], None]


def _server(port: int, directory: str) -> Server:
    process: subprocess.Popen[bytes] = subprocess.Popen(["true"])
    process.wait()
    return Server("none", process, port, Path(directory), "sqlite://")


def _normal(body: Any, status: int = 200, headers: dict[str, str] | None = None, port: int = 1) -> NormalAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Normaliser(_server(port, f"/server/{port}")).answer(Answer(status, headers or HEADERS, raw))


def _changed(change: Change) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(RUN))
    change(body["run"])
    return body


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run["info"].update(start_time="5"),
        lambda run: run["info"].update(start_time=5.0),
        lambda run: run["info"].update(start_time=6),
        lambda run: run["info"].update(run_name=""),
        lambda run: run["info"].pop("end_time"),
        lambda run: run["info"].update(extra=None),
        lambda run: run.pop("inputs"),
        lambda run: run.update(inputs=[]),
        lambda run: run.update(outputs={}),
        lambda run: run["data"]["metrics"][0].update(value=True),
        lambda run: run["data"]["metrics"].append(run["data"]["metrics"][0]),
        lambda run: run["data"]["tags"].pop(),
        lambda run: run["info"].update(experiment_id=730001),
    ],
)
def test_changed_bodies_are_noticed(change: Change) -> None:
    assert differences(_normal(RUN), _normal(_changed(change)))


def test_changed_status_and_headers_are_noticed() -> None:
    assert differences(_normal(RUN), _normal(RUN, status=201))
    assert differences(_normal(RUN), _normal(RUN, headers={**HEADERS, "content-type": "text/plain"}))
    assert differences(_normal(RUN), _normal(RUN, headers={"content-type": "application/json"}))
    assert differences(_normal(RUN), _normal(RUN, headers={**HEADERS, "content-disposition": "attachment"}))
    assert differences(_normal(b"one", headers={}), _normal(b"two", headers={}))
    assert differences(_normal(RUN), _normal(b"{bad"))


def test_equal_answers_are_equal() -> None:
    def reorder(run: dict[str, Any]) -> None:
        run["data"]["tags"].reverse()
        run["info"].update(run_id="f" * 32, experiment_id="940077")

    assert not differences(_normal(RUN), _normal(_changed(reorder)))


def test_what_may_differ() -> None:
    now = int(time.time() * 1000)
    left = {"a": "m-" + "1" * 32, "b": now, "c": "http://127.0.0.1:1/x", "d": "/server/1/y", "e": "able-cat-12", "f": "in {'b', 'a'}"}
    right = {"a": "m-" + "2" * 32, "b": now + 9, "c": "http://127.0.0.1:2/x", "d": "/server/2/y", "e": "sad-dog-7", "f": "in {'a', 'b'}"}
    assert not differences(_normal(left), _normal(right, port=2))


def test_order_of_ids_and_results_matters() -> None:
    one, two = "1" * 32, "2" * 32
    assert differences(_normal({"runs": [one, two, one]}), _normal({"runs": [one, two, two]}))
    history = [{"value": 1.0}, {"value": 2.0}]
    assert differences(_normal({"metrics": history}), _normal({"metrics": history[::-1]}))


def test_wanted_differences(tmp_path: Path) -> None:
    official, candidate = _normal({"error_code": "A"}, 500), _normal({"error_code": "B"}, 400)
    difference = Difference(Request("GET", "/x"), "/x", official, candidate, differences(official, candidate))
    wanted = Wanted("test", "because", lambda seen: seen.route == "/x")
    other = Wanted("never", "because", lambda seen: False)
    recorder = Recorder(tmp_path / "differences.txt", (wanted, other))
    assert recorder.unwanted(difference) == []
    assert recorder.unseen() == ["never"]
    assert Recorder(tmp_path / "differences.txt", (other,)).unwanted(difference) == [difference]
    assert "GET /x" in (tmp_path / "differences.txt").read_text()


def _failure(case: Case, candidate: NormalAnswer) -> Difference:
    method, _, route = case.requests[0].partition(" ")
    official = NormalAnswer(500, "text/html", {}, "<not compared>")
    path = f"/api/2.0/mlflow/{route}"
    return Difference(Request(method, path), path, official, candidate, ["status: 500 != 400"])


@pytest.mark.parametrize("case", [case for case in CRASHES if case.answer.startswith("400")], ids=lambda case: case.message[:40])
def test_a_failure_excuses_one_answer_only(case: Case) -> None:
    """Whatever else Ferroflow may answer where the official server crashes is noticed."""
    other = "Something else, which is not what this case is about."
    for answer in (
        NormalAnswer(404, "application/json", {}, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": other}),
        NormalAnswer(400, "application/json", {}, {"error_code": "INVALID_PARAMETER_VALUE", "message": other}),
        NormalAnswer(400, "application/json", {}, {"error_code": "BAD_REQUEST", "message": case.message}),
        NormalAnswer(500, "application/json", {}, {"error_code": "INTERNAL_ERROR", "message": other}),
        NormalAnswer(200, "application/json", {}, {}),
    ):
        assert not any(wanted.matches(_failure(case, answer)) for wanted in WANTED), answer
