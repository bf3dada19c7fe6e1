"""`ferroflow gc`: what it deletes for good is gone with its files, what it must not touch is there, and `mlflow gc` agrees."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag
from mlflow.entities.trace_info import TraceInfo, TraceLocation, TraceState
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

from fleet import Fleet
from http_client import Connection, Request
from old_databases import read_rows
from servers import QUIET_OFFICIAL, REPOSITORY, ferroflow_binary

TIMEOUT = 120.0
TWO_DAYS = 2 * 24 * 60 * 60
# MLflow leaves rows of these behind, which nothing shows and nothing removes.
LEFT_BY_MLFLOW = {"inputs", "input_tags", "datasets", "entity_associations"}
NOBODY = "0123456789abcdef0123456789abcdef"


@dataclass
class World:
    """A database, its artifacts, and the ids of what was made in them."""

    fleet: Fleet
    uri: str
    artifacts: Path
    ids: dict[str, str] = field(default_factory=dict)

    def copy(self, purpose: str) -> World:
        """One that nobody else uses."""
        artifacts = self.artifacts.parent / f"{purpose}-artifacts"
        shutil.copytree(self.artifacts, artifacts)
        if self.uri.startswith("sqlite"):
            path = self.artifacts.parent / f"{purpose}.db"
            for suffix in ("", "-wal"):
                if Path(self.uri.removeprefix("sqlite:///") + suffix).exists():
                    shutil.copy(self.uri.removeprefix("sqlite:///") + suffix, f"{path}{suffix}")
            return World(self.fleet, f"sqlite:///{path}", artifacts, self.ids)
        uri = self.fleet.cluster.create_database(purpose.replace("-", "_"), template=self.uri.rsplit("/", 1)[1])
        return World(self.fleet, uri, artifacts, self.ids)

    def gc(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs ours to its end."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=TIMEOUT, env=_clean())
        assert done.returncode == code, done.stdout + done.stderr
        assert "panicked" not in done.stderr
        return done

    def command(self, *arguments: str) -> list[str]:
        stores = ("--backend-store-uri", self.uri, "--artifacts-destination", str(self.artifacts))
        return [str(ferroflow_binary()), "gc", *stores, *arguments]

    def sql(self, statement: str, **values: object) -> list[tuple]:
        database = sqlalchemy.create_engine(self.uri)
        with database.begin() as connection:
            result = connection.execute(sqlalchemy.text(statement), values)
            rows = [tuple(row) for row in result] if result.returns_rows else []
        database.dispose()
        return rows

    def there(self) -> set[str]:
        """The names of those objects that the database has."""
        ids = {str(row[0]) for table in ("runs", "logged_models", "trace_info", "experiments") for row in self._ids(table)}
        return {name for name, id in self.ids.items() if id in ids}

    def with_files(self) -> set[str]:
        """The names of those objects that have files."""
        paths = "/".join(str(path) for path in self.artifacts.rglob("*") if path.is_file()).split("/")
        return {name for name, id in self.ids.items() if id in set(paths) and not name.endswith("experiment")}

    def _ids(self, table: str) -> list[tuple]:
        column = {"runs": "run_uuid", "logged_models": "model_id", "trace_info": "request_id"}.get(table, "experiment_id")
        return self.sql(f"SELECT {column} FROM {table}")


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}


@pytest.fixture(scope="module")
def worlds(fleet: Fleet) -> Iterator[dict[str, World]]:
    """The originals, by engine; tests work on copies."""
    made: dict[str, World] = {}
    yield made


@pytest.fixture
def world(engine: str, fleet: Fleet, worlds: dict[str, World], request: pytest.FixtureRequest) -> World:
    """A world of the test's own."""
    if engine not in worlds:
        worlds[engine] = _make(fleet, engine)
    return worlds[engine].copy(re.sub(r"\W+", "-", f"gc-{request.node.originalname}-{engine}"))


def _make(fleet: Fleet, engine: str) -> World:
    """Fills one with the real client; what our server does not serve yet is stored by MLflow's own code."""
    uri = fleet.database(engine, f"gc-world-{engine}".replace("-", "_"))
    server = fleet.start("ferroflow", f"gc-world-{engine}", uri)
    artifacts = server.directory / "artifacts"
    client = MlflowClient(server.url)
    ids: dict[str, str] = {}
    for name in ("live", "dead", "kept"):
        ids[f"{name} experiment"] = client.create_experiment(name)
    client.set_experiment_tag(ids["kept experiment"], "ferroflow.retention", "30d")
    for experiment, names in (
        ("live", ("live run", "dead run", "registered run", "source run")),
        ("dead", ("inner run", "inner second run")),
        ("kept", ("kept run",)),
    ):
        for name in names:
            ids[name] = _run(client, ids[f"{experiment} experiment"])
    for experiment, name in (("live", "live model"), ("live", "dead model"), ("live", "registered model"), ("dead", "inner model")):
        experiment_id = ids[f"{experiment} experiment"]
        model = client.create_logged_model(experiment_id, name.replace(" ", "-"), ids["live run"], params={"p": "v"}, tags={"t": "v"})
        ids[name] = model.model_id
        folder = artifacts / experiment_id / "models" / model.model_id / "artifacts"
        _write(folder / "MLmodel")
        client.log_batch(ids["live run"], [Metric("of model", 1.0, 1, 0, model_id=model.model_id)])
        client.log_outputs(ids["live run"], [LoggedModelOutput(model.model_id, 0)])
        client.log_inputs(ids["dead run"], models=[LoggedModelInput(model.model_id)])
    for name in ("dead run", "registered run", "source run", "kept run"):
        client.delete_run(ids[name])
    for name in ("dead model", "registered model"):
        client.delete_logged_model(ids[name])
    server.stop()

    tracking = Tracking(uri, "mlflow-artifacts:/")
    for experiment, name in (("live", "live trace"), ("dead", "inner trace")):
        ids[name] = f"tr-{abs(hash((name, engine))):032x}"[:35]
        where = TraceLocation.from_experiment_id(ids[f"{experiment} experiment"])
        tracking.start_trace(TraceInfo(ids[name], where, int(time.time() * 1000), TraceState.OK, execution_duration=1))
        _write(artifacts / ids[f"{experiment} experiment"] / "traces" / ids[name] / "artifacts" / "traces.json")
    tracking.delete_experiment(ids["dead experiment"])
    tracking.engine.dispose()
    registry = Registry(uri)
    registry.create_registered_model("r")
    live = ids["live experiment"]
    registry.create_model_version("r", "elsewhere", run_id=ids["registered run"])
    registry.create_model_version("r", f"mlflow-artifacts:/{live}/{ids['source run']}/artifacts/model")
    registry.engine.dispose()
    world = World(fleet, uri, artifacts, ids)
    # As a client writes it; the registry's own code would look the model up at the server of its environment.
    source = "models:/" + ids["registered model"]
    world.sql("UPDATE model_versions SET source = :source WHERE source = 'elsewhere'", source=source)
    return world


def _run(client: MlflowClient, experiment_id: str) -> str:
    run_id = client.create_run(experiment_id).info.run_id
    points = [Metric("m", float(step), 1, step) for step in range(50)]
    client.log_batch(run_id, points, [Param("p", "v")], [RunTag("t", "v")])
    own, shared = (Dataset(name, "1", "local", "{}") for name in (run_id[:8], "shared"))
    client.log_inputs(run_id, [DatasetInput(own, [InputTag("context", "train")]), DatasetInput(shared, [])])
    client.log_text(run_id, "0123456789", "folder/with space %41.txt")
    client.log_text(run_id, "01234", "plain.txt")
    return run_id


def _write(file: Path, content: str = "01234") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


GOES = {"dead run", "dead model", "dead experiment", "inner run", "inner second run", "inner model", "inner trace"}


def test_what_is_deleted_goes_and_nothing_else(world: World) -> None:
    assert world.there() == set(world.ids)
    done = world.gc()
    assert world.there() == set(world.ids) - GOES
    assert world.with_files() == {name for name in set(world.ids) - GOES if not name.endswith("experiment")}
    for name in GOES:
        kind = {"run": "Run", "model": "Logged model", "trace": "Trace", "experiment": "Experiment"}[name.split()[-1]]
        assert f"{kind} with ID {world.ids[name]} has been permanently deleted." in done.stdout
    assert not (world.artifacts / world.ids["dead experiment"]).exists()
    assert not (world.artifacts / world.ids["live experiment"] / world.ids["dead run"]).exists()
    last = done.stdout.splitlines()[-1]
    assert last == (
        "Deleted: 3 runs, 2 logged models, 1 trace, 1 experiment; 9 files, 60 bytes. Kept: 4. Failed: 0."
    )
    for name in ("registered run", "source run", "registered model"):
        assert re.search(rf"{world.ids[name]} is kept: the registered model version r/\d points to it", done.stderr)
    assert f"{world.ids['kept run']} is kept: the tag ferroflow.retention" in done.stderr
    # The data sets and edges of what is gone, but not those that it shared.
    assert _count(world, "inputs WHERE destination_id = :id OR source_id = :id", world.ids["dead run"]) == 0
    assert _count(world, "datasets WHERE name = :id", world.ids["dead run"][:8]) == 0
    assert _count(world, "datasets WHERE name = :id", "shared") == 2
    again = world.gc()
    assert again.stdout == "Deleted: nothing; 0 files, 0 bytes. Kept: 4. Failed: 0.\n"


def _count(world: World, what: str, id: str) -> int:
    return int(world.sql(f"SELECT COUNT(*) FROM {what}", id=id)[0][0])


def test_the_same_is_gone_as_with_mlflow(world: World, engine: str) -> None:
    # `mlflow gc` fails at an experiment with a logged model and a trace in it: their rows refer to the experiment.
    for statement in (
        "DELETE FROM logged_model_metrics WHERE model_id = :model",
        "DELETE FROM logged_model_params WHERE model_id = :model",
        "DELETE FROM logged_model_tags WHERE model_id = :model",
        "DELETE FROM logged_models WHERE model_id = :model",
    ):
        world.sql(statement, model=world.ids["inner model"])
    for statement in (
        "DELETE FROM trace_tags WHERE request_id = :trace",
        "DELETE FROM trace_request_metadata WHERE request_id = :trace",
        "DELETE FROM trace_info WHERE request_id = :trace",
    ):
        world.sql(statement, trace=world.ids["inner trace"])
    world.sql("DELETE FROM experiment_tags WHERE key = 'ferroflow.retention'")
    theirs = world.copy(f"gc-theirs-{engine}")
    server = world.fleet.start("ferroflow", f"gc-theirs-{engine}", theirs.uri, (("MLFLOW_ARTIFACTS_DESTINATION", ""),))
    shutil.rmtree(server.directory / "artifacts")
    theirs.artifacts.rename(server.directory / "artifacts")
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", theirs.uri, "--tracking-uri", server.url]
    official = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env={**_clean(), **QUIET_OFFICIAL})
    assert official.returncode == 0, official.stderr
    server.stop()
    ours = world.gc("--include-registered")

    left, right = read_rows(world.uri), read_rows(theirs.uri)
    for table in left.keys() - LEFT_BY_MLFLOW:
        assert left[table] == right[table], table
    assert world.there() == theirs.there()
    said = re.compile(r"^(?:Run|Logged model|Experiment) with ID \S+ has been permanently deleted\.", re.MULTILINE)
    # MLflow says nothing of the models that go with their experiment.
    assert set(said.findall(official.stdout)) <= set(said.findall(ours.stdout))
    assert len(said.findall(official.stdout)) == 9, official.stdout


def test_a_dry_run_changes_nothing(world: World) -> None:
    before, files = read_rows(world.uri), world.with_files()
    done = world.gc("--dry-run", "--orphans")
    assert (read_rows(world.uri), world.with_files()) == (before, files)
    assert "has been" not in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == (
        "Would be deleted: 3 runs, 2 logged models, 1 trace, 1 experiment; 9 files, 60 bytes. Kept: 4. Failed: 0."
    )
    assert f"Run with ID {world.ids['dead run']} would be permanently deleted. (2 files, 15 bytes in " in done.stdout


def test_only_what_is_named_goes(world: World) -> None:
    world.gc("--run-ids", world.ids["dead run"])
    assert set(world.ids) - world.there() == {"dead run"}
    world.gc("--logged-model-ids", f" {world.ids['dead model']} ")
    assert set(world.ids) - world.there() == {"dead run", "dead model"}
    world.gc("--experiment-ids", world.ids["dead experiment"])
    assert set(world.ids) - world.there() == GOES


def test_age(world: World) -> None:
    done = world.gc("--older-than", "1d")
    assert done.stdout.startswith("Deleted: nothing")
    assert world.there() == set(world.ids)
    two_days_ago = int((time.time() - TWO_DAYS) * 1000)
    world.sql("UPDATE runs SET deleted_time = :then WHERE run_uuid = :id", then=two_days_ago, id=world.ids["dead run"])
    world.gc("--older-than", "1d12h")
    assert set(world.ids) - world.there() == {"dead run"}
    # An experiment's own rule goes before.
    world.sql("UPDATE runs SET deleted_time = :then WHERE run_uuid = :id", then=two_days_ago, id=world.ids["kept run"])
    world.gc("--older-than", "1d")
    assert "kept run" in world.there()
    world.sql("UPDATE experiment_tags SET value = 'a day' WHERE key = 'ferroflow.retention'")
    assert "is no time" in world.gc("--older-than", "1d").stderr
    assert "kept run" in world.there()
    world.sql("UPDATE experiment_tags SET value = '1d' WHERE key = 'ferroflow.retention'")
    world.gc("--older-than", "300d")
    assert set(world.ids) - world.there() == {"dead run", "kept run"}


def test_a_registered_model_in_a_deleted_experiment_keeps_it(world: World) -> None:
    world.sql("UPDATE model_versions SET source = :source", source="models:/" + world.ids["inner model"])
    done = world.gc()
    assert {"dead experiment", "inner model", "inner trace"} <= world.there()
    assert f"points to its logged model {world.ids['inner model']}" in done.stderr
    world.gc("--include-registered")
    assert world.there() & {"dead experiment", "inner model", "inner trace", "registered run"} == set()


def test_refusals(world: World) -> None:
    """MLflow's words, and nothing is deleted by a call of which a part is refused."""
    ids, dead = world.ids, world.ids["dead run"]
    for arguments, words in (
        (("--run-ids", f"{dead},{NOBODY}"), f"Run with id={NOBODY} not found"),
        (
            ("--run-ids", f"{dead},{ids['live run']}"),
            f"Run {ids['live run']} is not in `deleted` lifecycle stage. Only runs in `deleted` lifecycle stage can be deleted.",
        ),
        (
            ("--run-ids", dead, "--older-than", "1d"),
            f"Run {dead} is not older than the required age. Only runs older than 1d can be deleted.",
        ),
        (("--run-ids", f"{dead},{ids['kept run']}"), "ferroflow.retention"),
        (("--run-ids", f"{dead},{ids['registered run']}"), "--include-registered"),
        (("--logged-model-ids", "m-1"), "Logged model m-1 is not in `deleted` lifecycle stage."),
        (("--logged-model-ids", ids["live model"]), "Only logged models in `deleted` lifecycle stage can be deleted."),
        (
            ("--logged-model-ids", ids["dead model"], "--older-than", "8h"),
            "is not older than the required age. Only logged models older than 8h can be deleted.",
        ),
        (("--experiment-ids", "4711"), "4711"),
        (
            ("--experiment-ids", f"{ids['dead experiment']},{ids['live experiment']}"),
            f"Experiments ['{ids['live experiment']}'] are not in the deleted lifecycle stage. "
            "Only experiments in the deleted lifecycle stage can be hard-deleted.",
        ),
        (("--experiment-ids", ids["dead experiment"], "--older-than", "1d"), "Only experiments older than 1d can be deleted."),
    ):
        done = world.gc(*arguments, code=1)
        assert words in done.stderr and done.stdout == "", done.stderr
    for arguments, words in (
        (("--older-than", "soon"), "Could not parse any time information from 'soon'."),
        (("--run-ids", ""), "--run-ids names nothing"),
        (("--run-id", dead), "--run-id"),
        (("--artifacts-destination", "nonsense://x"), "--artifacts-destination"),
    ):
        assert words in world.gc(*arguments, code=2).stderr
    assert world.there() == set(world.ids)


def test_places_that_are_not_there(world: World, tmp_path: Path) -> None:
    """Where the files cannot be found, no row goes."""
    gone = tmp_path / "gone"
    command = [str(ferroflow_binary()), "gc", "--backend-store-uri", world.uri]
    for more, code, words in (
        (("--artifacts-destination", str(gone)), 1, "there is no folder"),
        ((), 1, "--artifacts-destination, which is not named or not there"),
    ):
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, env=_clean())
        assert done.returncode == code and words in done.stderr, done.stderr
    assert world.there() == set(world.ids) and not gone.exists()
    for uri in (f"sqlite:///{gone}.db", f"sqlite:///{_empty(tmp_path)}"):
        done = subprocess.run([*command[:3], uri], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, env=_clean())
        assert done.returncode == 1 and not Path(f"{gone}.db").exists(), done.stderr


def _empty(folder: Path) -> Path:
    path = folder / "empty.db"
    path.touch()
    return path


def test_a_run_whose_files_cannot_be_deleted_keeps_its_rows(world: World) -> None:
    """One that says that its folder is everybody's."""
    run_id = world.ids["dead run"]
    for location in ("mlflow-artifacts:/", f"mlflow-artifacts:/{world.ids['live experiment']}", "mlflow-artifacts:/../../etc"):
        world.sql("UPDATE runs SET artifact_uri = :location WHERE run_uuid = :id", location=location, id=run_id)
        done = world.gc("--run-ids", run_id, code=1)
        assert f"Run {run_id} could not be deleted: its files are in {location}" in done.stderr
        assert "dead run" in world.there() and world.with_files() >= {"live run", "dead run"}
    done = world.gc(code=1)
    assert set(world.ids) - world.there() == GOES - {"dead run"}, "one that fails does not keep the others"
    assert done.stdout.endswith("Failed: 1.\n")


def test_files_without_an_owner(world: World) -> None:
    live = world.ids["live experiment"]
    old = [
        f"{live}/{NOBODY}/artifacts/a/b",
        f"{live}/models/m-{NOBODY}/artifacts/MLmodel",
        f"{live}/traces/tr-{NOBODY}/artifacts/traces.json",
        f"4711/{NOBODY}/artifacts/a",
        # Not where MLflow puts anything.
        f"{NOBODY}/artifacts/a",
        f"{live}/{NOBODY}/others/a",
        "mine/a",
        f"mine/{NOBODY}/artifacts/a",
    ]
    fresh = f"{live}/fedcba9876543210fedcba9876543210/artifacts/a"
    for path in (*old, fresh):
        _write(world.artifacts / path)
    then = time.time() - TWO_DAYS
    for file in world.artifacts.rglob("*"):
        os.utime(file, (then, then))
    os.utime(world.artifacts / fresh)
    world.gc()
    assert all((world.artifacts / path).exists() for path in old), "not without being asked for"
    done = world.gc("--orphans")
    assert "Deleted: 4 folders without an owner; 4 files, 20 bytes." in done.stdout
    assert [path for path in old if (world.artifacts / path).exists()] == old[4:]
    assert (world.artifacts / fresh).exists()
    assert world.with_files() == {name for name in set(world.ids) - GOES if not name.endswith("experiment")}
    # What a registered model version names is kept, though its run is gone.
    _write(world.artifacts / old[0])
    os.utime(world.artifacts / old[0], (then, then))
    source = f"mlflow-artifacts:/{live}/{NOBODY}/artifacts/model"
    update = "UPDATE model_versions SET source = :source, storage_location = :source WHERE source LIKE 'mlflow-artifacts%'"
    world.sql(update, source=source)
    world.gc("--run-ids", world.ids["source run"])
    assert world.gc("--orphans").stdout.startswith("Deleted: nothing")
    assert (world.artifacts / old[0]).exists()


def test_the_wrong_database_takes_no_files(world: World, engine: str) -> None:
    """One in which nobody is known that has files."""
    then = time.time() - TWO_DAYS
    for file in world.artifacts.rglob("*"):
        os.utime(file, (then, then))
    files = world.with_files()
    uri = world.fleet.database(engine, f"gc_other_{engine}")
    world.fleet.start("ferroflow", f"gc-other-{engine}", uri).stop()
    other = World(world.fleet, uri, world.artifacts, world.ids)
    assert "may be the wrong one" in other.gc("--orphans", code=1).stderr
    assert other.with_files() == files


def test_killed_at_any_moment_it_goes_on(world: World, engine: str) -> None:
    """SIGKILL again and again: no run is without rows while it has files, and in the end all are gone."""
    server = world.fleet.start("ferroflow", f"gc-killed-{engine}", world.uri)
    connection, experiment = Connection(server.port), world.ids["live experiment"]
    runs = set()
    for _ in range(250):
        body = {"experiment_id": experiment, "start_time": 1}
        run = connection.send(Request("POST", "/api/2.0/mlflow/runs/create", body=body)).json()["run"]["info"]["run_id"]
        point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
        assert connection.send(Request("POST", "/api/2.0/mlflow/runs/log-metric", body=point)).status == 200
        assert connection.send(Request("POST", "/api/2.0/mlflow/runs/delete", body={"run_id": run})).status == 200
        _write(world.artifacts / experiment / run / "artifacts" / "a")
        runs.add(run)
    kills = 0
    for attempt in range(200):
        process = subprocess.Popen(
            world.command(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_clean()
        )
        try:
            process.wait(0.03 * (attempt + 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=TIMEOUT)
        rows = {row[0] for row in world.sql("SELECT run_uuid FROM runs")} & runs
        files = {run for run in runs if (world.artifacts / experiment / run / "artifacts" / "a").exists()}
        assert files <= rows
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
    assert kills > 0 and rows == files == set()
    assert world.sql("SELECT COUNT(*) FROM metrics WHERE run_uuid NOT IN (SELECT run_uuid FROM runs)") == [(0,)]
    assert set(world.ids) - world.there() == GOES
    assert connection.send(Request("GET", f"/api/2.0/mlflow/runs/get?run_id={world.ids['live run']}")).status == 200
    server.stop()


def test_the_page_has_the_options_of_the_help() -> None:
    """`docs/gc.md` is true."""
    text = subprocess.run([str(ferroflow_binary()), "gc", "--help"], capture_output=True, text=True, check=True).stdout
    own = re.findall(r"^ +(?:-\w, )?--([\w-]+)", text.split("PostgreSQL:")[0], re.MULTILINE)
    page = (REPOSITORY / "docs" / "gc.md").read_text()
    assert re.findall(r"^\| `--([\w-]+)`", page, re.MULTILINE) == [name for name in own if name != "help"]
