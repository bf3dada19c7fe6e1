"""`runs/create-promptlab-run`: the run, its files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import yaml

from differential.pair import Pair
from differential.steps import MAX_INT64, UNKNOWN_EXPERIMENT, create_experiment

ROUTE = "runs/create-promptlab-run"
PROMPT = 'Say "{{ what }}" to {{who}}:\n\tthen\'s é✓😀 # no comment\n- {a: b}'
BODY = {
    **{"run_name": "of a prompt", "tags": [], "prompt_template": PROMPT, "model_route": "chat-route", "mlflow_version": "2.7.1"},
    "prompt_parameters": [{"key": "what", "value": "hello: world"}, {"key": "who", "value": "you\u2028and\u0085me"}],
    "model_parameters": [{"key": "temperature", "value": 0.01}, {"key": "max_tokens", "value": 100}, {"key": "stop", "value": "[a, b]"}],
    **{"model_input": 'Say "hello" to you', "model_output": "Hello é✓ \U0001f600!"},
    "model_output_parameters": [{"key": "tokens", "value": 3}, {"key": "cut", "value": False}, {"key": "nothing", "value": None}],
}
# As both write them, but for what depends on the Python that the official server runs on.
SAME = ("eval_results_table.json", "model/requirements.txt", "model/input_example.json", "model/serving_input_example.json")
BAD_VALUES: list[Any] = [None, "", 31, 0, 1.5, True, False, [], {}, "x" * 9001, [{}], ["a"], [{"key": "k"}], [{"key": "", "value": "v"}], [{"key": "k", "value": []}]]


def test_a_run(ajax_pair: Pair) -> None:
    experiment = create_experiment(ajax_pair)
    run = ajax_pair.post(ROUTE, {"experiment_id": experiment, **BODY}).ref("run.info.run_id")
    ajax_pair.get("runs/get", run_id=run)
    for path in SAME:
        ajax_pair.send("GET", "/get-artifact", (("run_id", run), ("path", path)))


def test_the_model_of_a_run(ajax_pair: Pair) -> None:
    experiment = create_experiment(ajax_pair)
    run = ajax_pair.post(ROUTE, {"experiment_id": experiment, **BODY}).ref("run.info.run_id")
    for folder in ("", "model"):
        official, candidate = (_names(answer.json()) for answer in ajax_pair.ask("GET", "/ajax-api/2.0/mlflow/artifacts/list", (("run_id", run), ("path", folder))))
        assert candidate == official
    assert _files(ajax_pair, run, "parameters.yaml")[1] == _files(ajax_pair, run, "parameters.yaml")[0]

    official, candidate = _files(ajax_pair, run, "MLmodel")
    for model, side in ((official, 0), (candidate, 1)):
        assert model.pop("run_id") == ajax_pair.value(run, side)
        assert len(model.pop("model_uuid")) == 32 and model.pop("utc_time_created") > "2025"
        assert model["flavors"]["python_function"].pop("python_version")
        model["signature"] = {name: value and json.loads(value) for name, value in model["signature"].items()}
        # What the official server leaves empty is left out.
        for name in [name for name, value in model.items() if value is None]:
            del model[name]
    assert candidate == official

    for name in ("conda.yaml", "python_env.yaml"):
        official, candidate = _files(ajax_pair, run, name)
        assert _without_versions(candidate) == _without_versions(official)


def test_mlflow_loads_the_model(ajax_pair: Pair, tmp_path: Path) -> None:
    run = ajax_pair.post(ROUTE, {"experiment_id": create_experiment(ajax_pair), **BODY}).ref("run.info.run_id")
    listed = ajax_pair.ask("GET", "/ajax-api/2.0/mlflow/artifacts/list", (("run_id", run), ("path", "model")))[1].json()
    for file in listed["files"]:
        content = ajax_pair.ask("GET", "/get-artifact", (("run_id", run), ("path", file["path"])))[1].body
        (tmp_path / Path(file["path"]).name).write_bytes(content)
    model = mlflow.pyfunc.load_model(str(tmp_path))
    assert model.metadata.get_input_schema().input_names() == ["what", "who"]
    assert (model._model_impl.prompt_template, model._model_impl.model_route) == (PROMPT, "chat-route")


def test_without_what_may_be_left_out(ajax_pair: Pair) -> None:
    experiment = create_experiment(ajax_pair)
    names = ("run_name", "tags", "model_parameters", "model_output", "model_output_parameters")
    run = ajax_pair.post(ROUTE, {"experiment_id": experiment, **{k: v for k, v in BODY.items() if k not in names}}).ref("run.info.run_id")
    for path in SAME:
        ajax_pair.send("GET", "/get-artifact", (("run_id", run), ("path", path)))
    ajax_pair.post(ROUTE, {"experiment_id": experiment, **BODY, "user_id": "somebody", "start_time": 5})


def test_params_that_cannot_be_logged_make_a_failed_run(ajax_pair: Pair) -> None:
    experiment = create_experiment(ajax_pair)
    for parameters in (
        [{"key": "a", "value": 1}, {"key": "a", "value": 2}],
        [{"key": "model_route", "value": "another"}],
        [{"key": "a//b", "value": 1}],
        [{"key": "k" * 300, "value": 1}],
        [{"key": "a", "value": "v" * 7000}],
    ):
        run = ajax_pair.post(ROUTE, {"experiment_id": experiment, **BODY, "model_parameters": parameters}).ref("run.info.run_id")
        ajax_pair.get("artifacts/list", run_id=run)


def test_bad_fields(ajax_pair: Pair) -> None:
    experiment = create_experiment(ajax_pair)
    good = {"experiment_id": experiment, **BODY}
    for name in good:
        ajax_pair.post(ROUTE, {key: value for key, value in good.items() if key != name})
        for bad in BAD_VALUES:
            ajax_pair.post(ROUTE, {**good, name: bad})


def test_experiments(ajax_pair: Pair) -> None:
    experiment = create_experiment(ajax_pair)
    for bad in (UNKNOWN_EXPERIMENT, "abc", "-1", MAX_INT64, str(MAX_INT64 + 1), int(UNKNOWN_EXPERIMENT), ["1"]):
        ajax_pair.post(ROUTE, {**BODY, "experiment_id": bad})
    ajax_pair.post("experiments/delete", {"experiment_id": experiment})
    ajax_pair.post(ROUTE, {**BODY, "experiment_id": experiment})


def test_bodies_and_types(ajax_pair: Pair) -> None:
    path = f"/ajax-api/2.0/mlflow/{ROUTE}"
    for body in (b"", b"{", b"[]", b'"text"', b"null", b"{}"):
        ajax_pair.send("POST", path, body=body, headers=(("Content-Type", "application/json"),))
    for content_type in ("text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded"):
        ajax_pair.send("POST", path, body=json.dumps({"experiment_id": "x"}).encode(), headers=(("Content-Type", content_type),))


def _names(listing: dict[str, Any]) -> list[tuple[str, bool]]:
    return sorted((file["path"], file["is_dir"]) for file in listing.get("files", []))


def _files(pair: Pair, run: str, name: str) -> list[Any]:
    answers = pair.ask("GET", "/get-artifact", (("run_id", run), ("path", f"model/{name}")))
    return [yaml.safe_load(answer.body) for answer in answers]


def _without_versions(value: Any) -> Any:
    """Texts up to a version: `pip<=24.0` and `python=3.10` are `pip` and `python`."""
    if isinstance(value, dict):
        return {name: _without_versions(item) for name, item in value.items() if name != "python"}
    if isinstance(value, list):
        return [_without_versions(item) for item in value]
    return value if value.startswith("mlflow") else value.partition("<")[0].partition("=")[0]
