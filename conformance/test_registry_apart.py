"""Registered models in a database of their own: `--registry-store-uri`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import mlflow
import numpy as np
import pytest
import sqlalchemy
from fleet import Fleet
from http_client import Connection, Request
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from servers import Server, ferroflow_binary
from sklearn.linear_model import LinearRegression

INPUTS = np.array([[1.0], [2.0]])
TIMEOUT = 60.0


@pytest.fixture
def uris(request: pytest.FixtureRequest, engine: str, fleet: Fleet) -> tuple[str, str]:
    """The databases of runs and of registered models, new for each test."""
    test = request.node.originalname
    return fleet.database(engine, f"runs-{test}"[:50]), fleet.database(engine, f"registry-{test}"[:50])


def _start(fleet: Fleet, kind: str, engine: str, uris: tuple[str, str]) -> Server:
    return fleet.start(kind, f"apart-{engine}", uris[0], (("MLFLOW_REGISTRY_STORE_URI", uris[1]),))


def _client(server: Server) -> Iterator[MlflowClient]:
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    # Another test may have chosen one of another server.
    mlflow.set_experiment(experiment_id="0")
    yield MlflowClient(server.url)
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def _count(uri: str, table: str) -> int:
    database = sqlalchemy.create_engine(uri)
    with database.connect() as connection:
        found = connection.execute(sqlalchemy.text(f"SELECT count(*) FROM {table}")).scalar_one()
    database.dispose()
    return int(found)


def _log_model() -> tuple[str, str, str]:
    model = LinearRegression(fit_intercept=False).fit(INPUTS, 3 * INPUTS[:, 0])
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="times", pip_requirements=["scikit-learn"])
    return run.info.run_id, info.model_id, info.model_uri


def _factor(uri: str) -> int:
    return round(float(mlflow.pyfunc.load_model(uri).predict(INPUTS)[0]))


def test_models_are_kept_there(engine: str, uris: tuple[str, str], fleet: Fleet) -> None:
    own = _start(fleet, "ferroflow", engine, uris)
    for client in _client(own):
        run, model, model_uri = _log_model()
        version = mlflow.register_model(model_uri, "times")
        assert (int(version.version), version.run_id) == (1, run)
        assert int(client.create_model_version("times", f"models:/{model}", model_id=model).version) == 2
        client.set_registered_model_alias("times", "champion", "2")
        assert (_factor("models:/times/1"), _factor("models:/times@champion")) == (3, 3)
        assert int(client.copy_model_version("models:/times/1", "copied").version) == 1
        assert '"version": 2' in client.get_logged_model(model).tags["mlflow.modelVersions"]
        mlflow.genai.register_prompt("greeting", "Hello {{name}}")
        with pytest.raises(MlflowException, match="Logged model with ID 'm-0' not found"):
            client.create_model_version("times", "s3://bucket/m", model_id="m-0")
        assert len(client.search_model_versions("name = 'times'")) == 2
    assert (_count(uris[0], "registered_models"), _count(uris[1], "registered_models")) == (0, 3)
    assert (_count(uris[0], "runs"), _count(uris[1], "runs")) == (1, 0)
    ready = Connection(own.port).send(Request("GET", "/readyz"))
    assert ready.status == 200, ready.body

    own.stop()
    official = _start(fleet, "official", engine, uris)
    for client in _client(official):
        assert _factor("models:/times@champion") == 3
        assert int(mlflow.register_model(model_uri, "times").version) == 3
        assert mlflow.genai.load_prompt("prompts:/greeting/1").format(name="you") == "Hello you"
    official.stop()
    own = _start(fleet, "ferroflow", engine, uris)
    for client in _client(own):
        assert int(client.get_latest_versions("times")[0].version) == 3
    own.stop()


def test_what_they_point_to_is_not_deleted(engine: str, uris: tuple[str, str], fleet: Fleet) -> None:
    own = _start(fleet, "ferroflow", engine, uris)
    for client in _client(own):
        run, model, model_uri = _log_model()
        mlflow.register_model(model_uri, "times")
        other = client.create_run("0").info.run_id
        for one in (run, other):
            client.delete_run(one)
        client.delete_logged_model(model)
    own.stop()
    command = [str(ferroflow_binary()), "gc", "--backend-store-uri", uris[0], "--registry-store-uri", uris[1]]
    command += ["--artifacts-destination", str(own.directory / "artifacts")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert other in done.stdout and run not in done.stdout and model not in done.stdout
    assert f"Run {run} is kept" in done.stderr and "times/1" in done.stderr


def test_a_registry_that_is_away(fleet: Fleet) -> None:
    """The server is not ready, and says which database it is that does not answer."""
    runs, registry = (fleet.database("postgresql", name) for name in ("runs-stay", "registry-goes"))
    own = _start(fleet, "ferroflow", "away", (runs, registry))
    database = sqlalchemy.create_engine(runs, isolation_level="AUTOCOMMIT")
    name = registry.rpartition("/")[2]
    with database.connect() as connection:
        connection.execute(sqlalchemy.text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        connection.execute(sqlalchemy.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name})
        deadline = time.monotonic() + TIMEOUT
        answer = Connection(own.port).send(Request("GET", "/readyz"))
        # What was found is kept for a second.
        while answer.status == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
            answer = Connection(own.port).send(Request("GET", "/readyz"))
        assert answer.json()["database"] == "of the registry: does not answer"
        connection.execute(sqlalchemy.text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    database.dispose()
    own.stop()
