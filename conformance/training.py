"""The main job: a training as a user writes it, logged with MLflow's own client. `test_main_job` reads it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

STEPS = 30
NOTES = "Ünïcode notes\nwith two lines\n"
# Given, because finding out takes longer than all the rest of the job.
REQUIREMENTS = ["scikit-learn"]
SETTINGS = {"learning_rate": 0.1, "layers": [64, 32], "name": "ü"}


@dataclass
class Job:
    """What was logged, for comparison with what is read."""

    experiment_id: str
    parent_id: str
    children: list[str]
    autologged_id: str
    model_uri: str
    model_id: str
    losses: list[float]
    inputs: pd.DataFrame
    predictions: np.ndarray[Any, Any]
    files: dict[str, bytes] = field(default_factory=dict)


def run_job(tracking_uri: str, folder: Path) -> Job:
    """Runs the whole job against a server."""
    mlflow.set_tracking_uri(tracking_uri)
    experiment_id = mlflow.create_experiment("breast cancer", tags={"team": "red", "mlflow.note.content": "a note"})
    mlflow.set_experiment(experiment_id=experiment_id)
    data = load_breast_cancer(as_frame=True)
    train, test, y_train, _ = train_test_split(data.data, data.target, random_state=1)
    autologged_id = _autologged(train, y_train)
    model = LogisticRegression(max_iter=5000).fit(train, y_train)
    losses = [1.0 / (step + 1) for step in range(STEPS)]
    with mlflow.start_run(run_name="parent", tags={"stage": "final"}, description="the parent") as parent:
        mlflow.log_params({"C": 1.0, "solver": "lbfgs", "note": "it's 100%"})
        for step, loss in enumerate(losses):
            mlflow.log_metric("loss", loss, step=step)
        mlflow.log_metrics({"accuracy": 0.95, "auc": 0.99, "undefined": float("nan"), "infinite": float("inf")}, step=STEPS)
        mlflow.log_input(mlflow.data.from_pandas(train, name="cancer", source="https://example.com/data"), context="training")
        children = [_child(number) for number in range(3)]
        files = _log_files(folder, losses)
        info = mlflow.sklearn.log_model(
            model,
            name="classifier",
            signature=infer_signature(train, model.predict(train)),
            input_example=train.head(3),
            pip_requirements=REQUIREMENTS,
        )
    return Job(
        experiment_id, parent.info.run_id, children, autologged_id, info.model_uri, info.model_id, losses, test, model.predict(test), files
    )


def _autologged(train: pd.DataFrame, y_train: pd.Series) -> str:
    mlflow.sklearn.autolog(silent=True)
    try:
        with mlflow.start_run(run_name="autologged") as run:
            LogisticRegression(max_iter=5000, C=0.5).fit(train, y_train)
    finally:
        mlflow.sklearn.autolog(disable=True)
    return str(run.info.run_id)


def _child(number: int) -> str:
    with mlflow.start_run(run_name=f"child {number}", nested=True) as child:
        mlflow.log_param("fold", number)
        mlflow.log_metric("accuracy", 0.9 + number / 100)
    return str(child.info.run_id)


def _log_files(folder: Path, losses: list[float]) -> dict[str, bytes]:
    """Logs files in all ways there are; returns the bytes of those that were made here."""
    files = {"top.txt": b"top", "deep/er/data.bin": bytes(range(256)) * 4000, "deep/with space.json": b"{}", "empty": b""}
    for name, content in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    mlflow.log_artifacts(str(folder / "files"), artifact_path="folder")
    mlflow.log_artifact(str(folder / "files" / "top.txt"))
    mlflow.log_text(NOTES, "notes/notes.md")
    mlflow.log_dict(SETTINGS, "settings.json")
    figure, axes = plt.subplots()
    axes.plot(losses)
    mlflow.log_figure(figure, "figures/loss.png")
    plt.close(figure)
    logged = {f"folder/{name}": content for name, content in files.items()}
    return {**logged, "top.txt": b"top", "notes/notes.md": NOTES.encode()}
