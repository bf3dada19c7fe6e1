"""Prompts: registered models with a tag, in the calls that MLflow's clients make for them."""

from __future__ import annotations

import json

from differential.pair import Pair
from differential.registry_steps import PROMPT_TAG, create_version, set_alias, show


def _create_prompt(pair: Pair, *texts: str) -> str:
    name = pair.name("prompt")
    pair.post("registered-models/create", {"name": name, "description": "Answers", "tags": [PROMPT_TAG, {"key": "team", "value": "a"}]})
    for text in texts:
        tags = [
            *(PROMPT_TAG, {"key": "mlflow.prompt.text", "value": text}, {"key": "_mlflow_prompt_type", "value": "text"}),
            {"key": "author", "value": "somebody"},
        ]
        create_version(pair, name, source="dummy-source", description="A change", tags=tags)
    return name


def test_a_prompt(pair: Pair) -> None:
    name = _create_prompt(pair, "Hello {{name}}", "Goodbye {{name}} 🚀", "x" * 100_000)
    show(pair, name, "1", "2", "3")
    set_alias(pair, name, "production", "2")
    for alias in ("production", "latest", "staging"):
        pair.get("registered-models/alias", name=name, alias=alias)
    for key in ("team", "mlflow.prompt.response_format"):
        pair.post("registered-models/set-tag", {"name": name, "key": key, "value": json.dumps({"type": "object"})})
        pair.post("model-versions/set-tag", {"name": name, "version": "1", "key": key, "value": "new"})
    pair.delete("model-versions/delete-tag", {"name": name, "version": "1", "key": "author"})
    pair.delete("registered-models/delete-tag", {"name": name, "key": "team"})
    show(pair, name, "1", "2", "3")
    pair.delete("registered-models/alias", {"name": name, "alias": "production"})
    pair.get("registered-models/alias", name=name, alias="production")


def test_searching_prompts(pair: Pair) -> None:
    name = _create_prompt(pair, "Hello")
    for filter_ in (f"name = '{name}' AND tags.`mlflow.prompt.is_prompt` = 'true'", f"name = '{name}'"):
        pair.get("registered-models/search", filter=filter_)
        pair.get("model-versions/search", filter=filter_)


def test_deleting_prompts(pair: Pair) -> None:
    name = _create_prompt(pair, "Hello", "Goodbye")
    pair.delete("model-versions/delete", {"name": name, "version": "2"})
    show(pair, name, "1", "2")
    pair.get("registered-models/alias", name=name, alias="latest")
    pair.delete("registered-models/delete", {"name": name})
    show(pair, name, "1")


def test_what_is_too_long(pair: Pair) -> None:
    name = _create_prompt(pair)
    tags = [PROMPT_TAG, {"key": "mlflow.prompt.text", "value": "x" * 100_001}]
    pair.post("model-versions/create", {"name": name, "source": "dummy-source", "tags": tags})
    show(pair, name, "1")
