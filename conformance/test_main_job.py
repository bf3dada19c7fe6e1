"""The stock client does the main job on Ferroflow, and reads back everything it logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from fleet import Fleet
from nginx import Nginx
from servers import ENGINES
from training import NOTES, SETTINGS, STEPS, Job, run_job


@pytest.fixture(scope="module", params=[*ENGINES, "replicas"])
def url(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[str]:
    """The server under test, or an nginx before several of them on one database."""
    if request.param in ENGINES:
        yield fleet.candidate(request.param).url
        return
    uri = fleet.database("postgresql", "main_job")
    nginx = Nginx([fleet.start(fleet.candidate_kind, "main-job", uri) for _ in range(3)], fleet.directory / "nginx-main-job.log")
    try:
        yield nginx.url
    finally:
        nginx.stop()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[MlflowClient]:
    """A client of the server under test, which the fluent functions use as well."""
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    yield MlflowClient(url)
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture(scope="module")
def job(client: MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The job, run once for each."""
    return run_job(client.tracking_uri, tmp_path_factory.mktemp("job"))


def test_experiment(client: MlflowClient, job: Job) -> None:
    experiment = client.get_experiment(job.experiment_id)
    assert experiment.name == "breast cancer"
    assert experiment.tags["team"] == "red"
    assert client.get_experiment_by_name("breast cancer").experiment_id == job.experiment_id
    found = client.search_experiments(filter_string="tags.team = 'red' AND name = 'breast cancer'")
    assert [one.experiment_id for one in found] == [job.experiment_id]


def test_run(client: MlflowClient, job: Job) -> None:
    run = client.get_run(job.parent_id)
    assert (run.info.run_name, run.info.status, run.info.lifecycle_stage) == ("parent", "FINISHED", "active")
    assert run.data.params == {"C": "1.0", "solver": "lbfgs", "note": "it's 100%"}
    assert run.data.metrics["loss"] == job.losses[-1]
    assert np.isnan(run.data.metrics["undefined"])
    assert run.data.metrics["infinite"] > 1e308
    assert run.data.tags["stage"] == "final"
    assert run.data.tags["mlflow.note.content"] == "the parent"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.tags[0].value) == ("cancer", "training")
    assert [output.model_id for output in run.outputs.model_outputs] == [job.model_id]


def test_metric_history(client: MlflowClient, job: Job) -> None:
    history = client.get_metric_history(job.parent_id, "loss")
    assert [(point.step, point.value) for point in history] == list(enumerate(job.losses))


def test_nested_runs(client: MlflowClient, job: Job) -> None:
    found = client.search_runs(
        [job.experiment_id], f"tags.mlflow.parentRunId = '{job.parent_id}'", order_by=["metrics.accuracy DESC"]
    )
    assert [run.info.run_id for run in found] == job.children[::-1]
    assert [run.data.params["fold"] for run in found] == ["2", "1", "0"]


def test_search_runs(client: MlflowClient, job: Job) -> None:
    def names(text: str, **options: object) -> list[str]:
        return [run.info.run_name for run in client.search_runs([job.experiment_id], text, **options)]

    assert names("metrics.accuracy >= 0.92 AND params.solver = 'lbfgs' AND attributes.run_name = 'parent'") == ["parent"]
    assert names("run_name LIKE 'child%'", order_by=["attributes.start_time ASC"]) == ["child 0", "child 1", "child 2"]
    assert names("params.note = \"it's 100%\"") == ["parent"]
    assert names("dataset.name = 'cancer' AND dataset.context = 'training'") == ["parent"]
    assert names("metrics.accuracy > 0.9", order_by=["metrics.accuracy DESC"], max_results=1) == ["parent"]
    frame = mlflow.search_runs([job.experiment_id], order_by=["start_time ASC"])
    assert list(frame["tags.mlflow.runName"]) == ["autologged", "parent", "child 0", "child 1", "child 2"]


def test_autologged_run(client: MlflowClient, job: Job) -> None:
    run = client.get_run(job.autologged_id)
    assert run.data.params["C"] == "0.5"
    assert run.data.metrics["training_accuracy_score"] > 0.9
    names = {file.path for file in client.list_artifacts(job.autologged_id)}
    assert {"estimator.html", "training_confusion_matrix.png"} <= names
    assert run.outputs.model_outputs


def test_artifacts(client: MlflowClient, job: Job, tmp_path: Path) -> None:
    top = {(file.path, file.is_dir) for file in client.list_artifacts(job.parent_id)}
    assert top == {("folder", True), ("notes", True), ("figures", True), ("top.txt", False), ("settings.json", False)}
    folder = {(file.path, file.file_size) for file in client.list_artifacts(job.parent_id, "folder/deep")}
    assert folder == {("folder/deep/er", None), ("folder/deep/with space.json", 2)}
    local = Path(client.download_artifacts(job.parent_id, "", str(tmp_path)))
    for name, content in job.files.items():
        assert (local / name).read_bytes() == content, name
    assert mlflow.artifacts.load_text(f"runs:/{job.parent_id}/notes/notes.md") == NOTES
    assert mlflow.artifacts.load_dict(f"runs:/{job.parent_id}/settings.json") == SETTINGS
    assert mlflow.artifacts.load_image(f"runs:/{job.parent_id}/figures/loss.png").size == (640, 480)


def test_model(client: MlflowClient, job: Job) -> None:
    for uri in (job.model_uri, f"models:/{job.model_id}", f"runs:/{job.parent_id}/classifier"):
        assert np.array_equal(mlflow.sklearn.load_model(uri).predict(job.inputs), job.predictions)
    assert np.array_equal(mlflow.pyfunc.load_model(job.model_uri).predict(job.inputs), job.predictions)
    signature = mlflow.models.get_model_info(job.model_uri).signature
    assert len(signature.inputs.inputs) == 30


def test_logged_models(client: MlflowClient, job: Job) -> None:
    model = client.get_logged_model(job.model_id)
    assert (model.name, model.status, model.source_run_id) == ("classifier", "READY", job.parent_id)
    found = client.search_logged_models([job.experiment_id], filter_string="name = 'classifier'")
    assert [one.model_id for one in found] == [job.model_id]
    client.set_logged_model_tags(job.model_id, {"quality": "good", "wrong": "x"})
    client.delete_logged_model_tag(job.model_id, "wrong")
    client.log_metric(job.parent_id, "evaluated", 0.5, model_id=job.model_id)
    model = client.get_logged_model(job.model_id)
    assert model.tags["quality"] == "good" and "wrong" not in model.tags
    assert [metric.value for metric in model.metrics if metric.key == "evaluated"] == [0.5]
    found = client.search_logged_models([job.experiment_id], filter_string="metrics.evaluated > 0.4 AND tags.quality = 'good'")
    assert [one.model_id for one in found] == [job.model_id]


def test_pages_of_runs(client: MlflowClient) -> None:
    experiment = client.create_experiment("pages")
    created = [client.create_run(experiment, start_time=number).info.run_id for number in range(1, 26)]
    found, token = [], None
    while len(found) < 30:
        page = client.search_runs([experiment], max_results=10, order_by=["start_time ASC"], page_token=token)
        found += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert found == created
    for number in range(12):
        client.create_experiment(f"one of many {number:02}")
    names = [one.name for one in mlflow.search_experiments(filter_string="name LIKE 'one of many%'", order_by=["name ASC"])]
    assert names == [f"one of many {number:02}" for number in range(12)]
    first = client.search_experiments(filter_string="name LIKE 'one of many%'", order_by=["name ASC"], max_results=5)
    second = client.search_experiments(
        filter_string="name LIKE 'one of many%'", order_by=["name ASC"], max_results=5, page_token=first.token
    )
    assert [one.name for one in [*first, *second]] == names[:10]


def test_batches_and_long_histories(client: MlflowClient) -> None:
    run = client.create_run(client.create_experiment("batches")).info.run_id
    for start in range(0, 3000, 1000):
        points = [Metric("m", step / 3, 1_700_000_000_000 + step, step) for step in range(start, start + 1000)]
        client.log_batch(run, metrics=points)
    client.log_batch(run, params=[Param(f"p{n}", str(n)) for n in range(100)], tags=[RunTag(f"t{n}", "x" * 500) for n in range(100)])
    history = client.get_metric_history(run, "m")
    assert [(point.step, point.value) for point in history] == [(step, step / 3) for step in range(3000)]
    read = client.get_run(run).data
    assert len(read.params) == 100 and read.metrics == {"m": 2999 / 3}
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(run, "p1", "changed")


def test_delete_and_restore(client: MlflowClient) -> None:
    experiment = client.create_experiment("deleted and restored")
    run = client.create_run(experiment).info.run_id
    client.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert not client.search_runs([experiment])
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(run)
    assert len(client.search_runs([experiment])) == 1
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.create_run(experiment)
    client.restore_experiment(experiment)
    client.rename_experiment(experiment, "restored")
    assert client.get_experiment_by_name("restored").lifecycle_stage == "active"


def test_errors(client: MlflowClient) -> None:
    with pytest.raises(MlflowException) as unknown:
        client.get_run("0" * 32)
    assert unknown.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    client.create_experiment("twice")
    with pytest.raises(MlflowException) as twice:
        client.create_experiment("twice")
    assert twice.value.error_code == "RESOURCE_ALREADY_EXISTS"
    assert client.get_experiment_by_name("no such experiment") is None
    with pytest.raises(MlflowException) as wrong:
        client.search_runs(["0"], "nonsense")
    assert json.loads(wrong.value.serialize_as_json())["error_code"] == "INVALID_PARAMETER_VALUE"
