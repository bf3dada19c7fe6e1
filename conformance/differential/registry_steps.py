"""Steps of scenarios about the model registry."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.steps import ODD_STRINGS

SOURCE = "s3://bucket/models/m"
PROMPT_TAG = {"key": "mlflow.prompt.is_prompt", "value": "true"}
# Ferroflow refuses NUL, and the descriptions would differ from then on.
ODD_TEXTS = [value for value in ODD_STRINGS if value != "a\x00b"]
STAGES = ("None", "Staging", "Production", "Archived")


def create_registered_model(pair: Pair, name: str | None = None, **fields: Any) -> str:
    """Creates a registered model; returns its name, which is the same on both servers."""
    name = name or pair.name("model")
    pair.post("registered-models/create", {"name": name, **fields})
    return name


def create_version(pair: Pair, name: str, **fields: Any) -> str:
    """Creates a version; returns its number."""
    body = {"name": name, "source": SOURCE, **fields}
    return pair.post("model-versions/create", body).ref("model_version.version")


def move(pair: Pair, name: str, version: str, stage: Any, archive: Any = False) -> None:
    """Moves a version to a stage."""
    body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
    pair.post("model-versions/transition-stage", body)


def set_alias(pair: Pair, name: str, alias: Any, version: Any) -> None:
    """Lets an alias stand for a version."""
    pair.post("registered-models/alias", {"name": name, "alias": alias, "version": version})


def show(pair: Pair, name: str, *versions: str) -> None:
    """Reads all there is to see of a model."""
    pair.get("registered-models/get", name=name)
    for version in versions:
        pair.get("model-versions/get", name=name, version=version)
