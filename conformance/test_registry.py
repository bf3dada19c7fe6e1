"""The stock client's registry: models from runs, loaded by version, alias and stage; copies; prompts; and two servers on one database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from differential.compare import differences
from differential.normalise import Normaliser
from fleet import Fleet
from http_client import Connection, Request
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from servers import Server
from sklearn.linear_model import LinearRegression

API = "/api/2.0/mlflow/"
REQUIREMENTS = ["scikit-learn"]
INPUTS = np.array([[1.0], [2.0], [3.0]])
CLIENTS = 64


@dataclass
class Logged:
    """Models that were logged: each answers its input times its number."""

    run_ids: list[str]
    uris: list[str]
    model_ids: list[str]


@pytest.fixture
def client(engine: str, fleet: Fleet) -> Iterator[MlflowClient]:
    """A client of the server under test, which the fluent functions use as well."""
    yield from _client_of(fleet.candidate(engine))


def _client_of(server: Server) -> Iterator[MlflowClient]:
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    # Another test may have chosen one of another server.
    mlflow.set_experiment(experiment_id="0")
    yield MlflowClient(server.url)
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def _log_models(count: int) -> Logged:
    logged = Logged([], [], [])
    for number in range(1, count + 1):
        model = LinearRegression(fit_intercept=False).fit(INPUTS, number * INPUTS[:, 0])
        with mlflow.start_run() as run:
            info = mlflow.sklearn.log_model(model, name="times", pip_requirements=REQUIREMENTS)
        logged.run_ids.append(run.info.run_id)
        logged.uris.append(info.model_uri)
        logged.model_ids.append(info.model_id)
    return logged


def _factor(uri: str) -> int:
    """What the model at this URI multiplies by."""
    return round(float(mlflow.pyfunc.load_model(uri).predict(INPUTS)[0]))


def test_models(client: MlflowClient, engine: str) -> None:
    logged = _log_models(3)
    by_run = mlflow.register_model(f"runs:/{logged.run_ids[0]}/times", "times", tags={"from": "run"})
    by_model = mlflow.register_model(logged.uris[1], "times")
    with mlflow.start_run(run_id=logged.run_ids[2]):
        third = mlflow.register_model(logged.uris[2], "times")
    assert [int(version.version) for version in (by_run, by_model, third)] == [1, 2, 3]
    assert client.get_model_version("times", "1").run_id == logged.run_ids[0]
    assert client.get_model_version("times", "2").run_id == logged.run_ids[1]
    noted = client.get_logged_model(logged.model_ids[1]).tags["mlflow.modelVersions"]
    assert '"name": "times"' in noted

    client.set_registered_model_alias("times", "champion", "2")
    client.transition_model_version_stage("times", "1", "Production")
    client.transition_model_version_stage("times", "3", "Production", archive_existing_versions=True)
    assert [_factor(f"models:/times/{suffix}") for suffix in ("1", "2", "3", "Production", "Archived", "latest")] == [1, 2, 3, 3, 1, 3]
    assert _factor("models:/times@champion") == 2
    assert client.get_model_version_by_alias("times", "champion").aliases == ["champion"]
    assert client.get_model_version("times", "1").current_stage == "Archived"

    copied = client.copy_model_version("models:/times@champion", "copied")
    assert (copied.source, copied.run_id) == ("models:/times/2", logged.run_ids[1])
    assert _factor("models:/copied/1") == 2
    local = Path(mlflow.artifacts.download_artifacts("models:/copied/1"))
    assert (local / "MLmodel").is_file()

    client.update_registered_model("times", "multiplies")
    client.update_model_version("times", "1", "by one")
    client.set_registered_model_tag("times", "team", "red")
    client.set_model_version_tag("times", "1", "quality", "good")
    client.delete_model_version_tag("times", "1", "from")
    model = client.get_registered_model("times")
    assert (model.description, model.tags, model.aliases) == ("multiplies", {"team": "red"}, {"champion": "2"})
    assert client.get_model_version("times", "1").tags == {"quality": "good"}
    found = client.search_registered_models("name = 'times' AND tags.team = 'red'")
    assert [one.name for one in found] == ["times"]
    found = client.search_model_versions("name = 'times'", order_by=["version_number ASC"])
    assert [int(one.version) for one in found] == [1, 2, 3]
    assert [int(one.version) for one in client.search_model_versions(f"run_id = '{logged.run_ids[1]}' AND name = 'times'")] == [2]
    assert {one.current_stage: int(one.version) for one in client.get_latest_versions("times")} == {"Archived": 1, "None": 2, "Production": 3}

    client.rename_registered_model("times", "factor")
    assert _factor("models:/factor@champion") == 2
    client.delete_registered_model_alias("factor", "champion")
    client.delete_model_version("factor", "2")
    with pytest.raises(MlflowException, match=r"Model Version \(name=factor, version=2\) not found"):
        client.get_model_version("factor", "2")
    assert int(mlflow.register_model(logged.uris[1], "factor").version) == 4
    client.delete_registered_model("factor")
    with pytest.raises(MlflowException, match="Registered Model with name=factor not found"):
        client.get_registered_model("factor")
    # What was copied from it is still there.
    assert _factor("models:/copied/1") == 2
    client.delete_registered_model("copied")


def test_a_model_is_registered_while_it_is_logged(client: MlflowClient) -> None:
    model = LinearRegression(fit_intercept=False).fit(INPUTS, 7 * INPUTS[:, 0])
    for version in ("1", "2"):
        with mlflow.start_run():
            mlflow.sklearn.log_model(model, name="times", registered_model_name="seven", pip_requirements=REQUIREMENTS)
        assert _factor(f"models:/seven/{version}") == 7
    client.delete_registered_model("seven")


def test_prompts(client: MlflowClient) -> None:
    first = mlflow.genai.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"author": "somebody"})
    second = mlflow.genai.register_prompt("greeting", [{"role": "user", "content": "Hi {{name}} 🚀"}], commit_message="second")
    assert (first.version, second.version) == (1, 2)
    assert mlflow.genai.load_prompt("greeting", version=1).format(name="you") == "Hello you"
    assert mlflow.genai.load_prompt("prompts:/greeting/2").format(name="you") == [{"role": "user", "content": "Hi you 🚀"}]
    mlflow.genai.set_prompt_alias("greeting", alias="production", version=1)
    loaded = mlflow.genai.load_prompt("prompts:/greeting@production")
    assert (loaded.version, loaded.commit_message, loaded.tags["author"]) == (1, "first", "somebody")
    assert mlflow.genai.load_prompt("prompts:/greeting@latest").version == 2
    mlflow.genai.set_prompt_tag("greeting", "team", "red")
    mlflow.genai.set_prompt_version_tag("greeting", 1, "quality", "good")
    assert mlflow.genai.get_prompt_tags("greeting")["team"] == "red"
    assert mlflow.genai.load_prompt("greeting", version=1).tags["quality"] == "good"
    mlflow.genai.delete_prompt_tag("greeting", "team")
    assert "team" not in mlflow.genai.get_prompt_tags("greeting")
    mlflow.genai.delete_prompt_version_tag("greeting", 1, "quality")
    assert [prompt.name for prompt in mlflow.genai.search_prompts("name = 'greeting'")] == ["greeting"]
    assert not client.search_registered_models("name = 'greeting'")
    assert not client.search_model_versions("name = 'greeting'")
    with pytest.raises(MlflowException, match="already taken by a prompt"):
        client.create_registered_model("greeting")
    mlflow.genai.delete_prompt_alias("greeting", "production")
    with pytest.raises(MlflowException, match="alias production not found"):
        mlflow.genai.load_prompt("prompts:/greeting@production")
    client.delete_prompt_version("greeting", "1")
    client.delete_prompt_version("greeting", "2")
    client.delete_prompt("greeting")
    assert not mlflow.genai.search_prompts("name = 'greeting'")


def test_versions_that_are_made_at_the_same_time(engine: str, fleet: Fleet) -> None:
    port = fleet.candidate(engine).port
    name = "at the same time"
    _post(Connection(port), "registered-models/create", {"name": name})

    def create(number: int) -> int:
        connection = Connection(port)
        try:
            body = {"name": name, "source": f"s3://bucket/{number}", "tags": [{"key": "number", "value": str(number)}]}
            return int(_post(connection, "model-versions/create", body)["model_version"]["version"])
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as threads:
        versions = list(threads.map(create, range(CLIENTS)))
    assert sorted(versions) == list(range(1, CLIENTS + 1))
    for number, version in enumerate(versions):
        answer = Connection(port).send(Request("GET", f"{API}model-versions/get", (("name", name), ("version", str(version)))))
        assert answer.json()["model_version"]["source"] == f"s3://bucket/{number}"


def test_beside_the_official_server(engine: str, fleet: Fleet) -> None:
    """What one writes the other reads, in the same words."""
    uri = fleet.database(engine, "registry-together")
    official = fleet.start("official", f"registry-together-{engine}", uri)
    own = fleet.start(fleet.candidate_kind, f"registry-together-{engine}", uri)
    try:
        for number, (writer, reader) in enumerate([(official, own), (own, official)]):
            name, prompt = f"model {number}", f"prompt_{number}"
            for client in _client_of(writer):
                logged = _log_models(2)
                for model_uri in logged.uris:
                    mlflow.register_model(model_uri, name, tags={"k": "v"})
                client.set_registered_model_alias(name, "champion", "1")
                client.transition_model_version_stage(name, "2", "Staging")
                mlflow.genai.register_prompt(prompt, "Hello {{name}}")
                mlflow.genai.set_prompt_alias(prompt, alias="production", version=1)
            for client in _client_of(reader):
                assert (_factor(f"models:/{name}@champion"), _factor(f"models:/{name}/Staging")) == (1, 2)
                assert mlflow.genai.load_prompt(f"prompts:/{prompt}@production").format(name="you") == "Hello you"
                # And goes on with it.
                assert int(client.copy_model_version(f"models:/{name}/1", name).version) == 3
                client.set_registered_model_alias(name, "champion", "2")
                client.transition_model_version_stage(name, "3", "Staging", archive_existing_versions=True)
                client.delete_model_version(name, "1")
                client.rename_registered_model(name, f"renamed {number}")
            for client in _client_of(writer):
                assert _factor(f"models:/renamed {number}@champion") == 2
                assert client.get_model_version(f"renamed {number}", "2").current_stage == "Archived"
                with pytest.raises(MlflowException, match="not found"):
                    client.get_model_version(f"renamed {number}", "1")
        _answer_alike(official, own)
    finally:
        official.stop()
        own.stop()


def _answer_alike(official: Server, own: Server) -> None:
    """Every read of the registry has the same answer on both."""
    models = _get(own, "registered-models/search", (("max_results", "1000"),))["registered_models"]
    assert len(models) == 2
    prompts = (("filter", "tags.`mlflow.prompt.is_prompt` = 'true'"),)
    reads: list[tuple[str, tuple[tuple[str, str], ...]]] = [
        *(("registered-models/search", ()), ("registered-models/search", prompts)),
        *(("model-versions/search", ()), ("model-versions/search", prompts)),
    ]
    for model in models:
        name = ("name", model["name"])
        reads += [("registered-models/get", (name,)), ("registered-models/alias", (name, ("alias", "champion")))]
        for version in ("1", "2", "3"):
            reads += [(f"model-versions/{verb}", (name, ("version", version))) for verb in ("get", "get-download-uri")]
    for route, query in reads:
        answers = [Connection(server.port).send(Request("GET", API + route, query)) for server in (official, own)]
        normal = [Normaliser(server).answer(answer) for server, answer in zip((official, own), answers)]
        assert not differences(*normal), (route, query, answers[0].body, answers[1].body)


def _post(connection: Connection, route: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = connection.send(Request("POST", API + route, body=body))
    assert answer.status == 200, (answer.status, answer.body)
    return dict(answer.json())


def _get(server: Server, route: str, query: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    answer = Connection(server.port).send(Request("GET", API + route, query))
    assert answer.status == 200, (answer.status, answer.body)
    return dict(answer.json())
