"""Registered models: create, get, rename, update, delete, tags, aliases."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.registry_steps import ODD_TEXTS, PROMPT_TAG, create_registered_model, create_version, move, set_alias, show
from differential.steps import ODD_STRINGS

ODD_NAMES = ["a b", "a/b", "a:b", "..", "a/../b", "%2e", "a%20b", "日本語 🚀", "a'b", 'a"b', "a\nb", "x" * 256, "x" * 257, " ", "\\", "?", "#a"]
TAGS: list[Any] = [
    *(None, [], {}, "abc", 3, [None], ["a"], [{}], [{"key": "a"}], [{"value": "a"}], [{"key": "", "value": "a"}]),
    *([{"key": 3, "value": 4}], [{"key": "b", "value": None}], [{"key": "c", "value": ""}], [{"key": "a//b", "value": "x"}]),
    *([{"key": "d" * 250, "value": "x"}], [{"key": "d" * 251, "value": "x"}], [{"key": "e", "value": "x" * 5000}]),
    *([{"key": "f", "value": "x" * 5001}], [{"key": "h", "value": "x" * 100_001}], [{"key": "../a", "value": "x"}]),
    *([{"key": "i", "value": "1"}, {"key": "i", "value": "2"}], [{"key": "j", "value": "1"}, {"key": "k", "value": "ü"}]),
]
ALIASES = ["champion", "a-b_c", "Ünï", "1", "v", "v1a", "a b", "a/b", "a.b", "a\n", "latest", "LATEST", "v1", "V12", "x" * 255, "x" * 256]


def test_create_and_read(pair: Pair) -> None:
    name = create_registered_model(pair)
    show(pair, name)
    name = create_registered_model(pair, description="what it is", tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "ü"}])
    show(pair, name)
    pair.post("registered-models/create", {"name": name})
    pair.post("registered-models/create", {"name": name.upper()})
    pair.get("registered-models/get", name=pair.name())
    pair.get("registered-models/get")
    pair.get("registered-models/get", name="")


def test_names(pair: Pair) -> None:
    for odd in (*ODD_STRINGS, *ODD_NAMES):
        name = f"{pair.name()}{odd}" if isinstance(odd, str) and 0 < len(odd) < 200 else odd
        pair.post("registered-models/create", {"name": name})
        pair.post("registered-models/rename", {"name": name, "new_name": f"{name}x" if isinstance(name, str) else name})
        if isinstance(name, str):
            for one in (name, f"{name}x"):
                pair.get("registered-models/get", name=one)
                pair.delete("registered-models/delete", {"name": one})


def test_create_with_bad_fields(pair: Pair) -> None:
    for value in (*ODD_STRINGS, "x" * 5000, "x" * 5001):
        pair.post("registered-models/create", {"name": pair.name(), "description": value})
    for tags in TAGS:
        name = pair.name()
        if pair.post("registered-models/create", {"name": name, "tags": tags}).succeeded():
            show(pair, name)


def test_models_and_prompts_share_their_names(pair: Pair) -> None:
    model, prompt = create_registered_model(pair), create_registered_model(pair, tags=[PROMPT_TAG])
    half = create_registered_model(pair, tags=[{"key": PROMPT_TAG["key"], "value": "false"}])
    for name in (model, prompt, half):
        pair.post("registered-models/create", {"name": name})
        pair.post("registered-models/create", {"name": name, "tags": [PROMPT_TAG]})


def test_update(pair: Pair) -> None:
    name = create_registered_model(pair, description="first")
    for value in ("second", "", *ODD_TEXTS, "x" * 5001):
        pair.patch("registered-models/update", {"name": name, "description": value})
        show(pair, name)
    pair.patch("registered-models/update", {"name": name})
    pair.patch("registered-models/update", {"name": pair.name(), "description": "a"})
    pair.patch("registered-models/update", {"description": "a"})
    pair.patch("registered-models/update")
    show(pair, name)


def test_rename(pair: Pair) -> None:
    name, taken = create_registered_model(pair, tags=[{"key": "a", "value": "1"}]), create_registered_model(pair)
    version = create_version(pair, name, tags=[{"key": "t", "value": "1"}])
    gone = create_version(pair, name)
    pair.delete("model-versions/delete", {"name": name, "version": gone})
    set_alias(pair, name, "champion", version)
    new = pair.name()
    pair.post("registered-models/rename", {"name": name, "new_name": new})
    pair.get("registered-models/get", name=name)
    show(pair, new, version, gone)
    pair.get("registered-models/alias", name=new, alias="champion")
    create_version(pair, new)
    pair.post("registered-models/rename", {"name": new, "newName": new})
    pair.post("registered-models/rename", {"name": new, "new_name": taken})
    pair.post("registered-models/rename", {"name": name, "new_name": taken})
    pair.post("registered-models/rename", {"name": name, "new_name": pair.name()})
    for value in ODD_STRINGS:
        if not isinstance(value, str) or not value.strip():
            pair.post("registered-models/rename", {"name": taken, "new_name": value})
    pair.post("registered-models/rename", {"name": taken})
    show(pair, taken)


def test_delete(pair: Pair) -> None:
    name = create_registered_model(pair, tags=[{"key": "a", "value": "1"}])
    version = create_version(pair, name, tags=[{"key": "t", "value": "1"}])
    create_version(pair, name)
    move(pair, name, version, "Production")
    set_alias(pair, name, "champion", version)
    pair.delete("registered-models/delete", {"name": name})
    pair.delete("registered-models/delete", {"name": name})
    show(pair, name, version)
    pair.get("registered-models/alias", name=name, alias="champion")
    pair.get("model-versions/search", filter=f"name = '{name}'")
    create_registered_model(pair, name)
    show(pair, name, version)
    create_version(pair, name)
    show(pair, name, version)
    for value in ODD_STRINGS:
        pair.delete("registered-models/delete", {"name": value})
    pair.delete("registered-models/delete")
    pair.send("DELETE", f"{pair.prefix}/2.0/mlflow/registered-models/delete", query=(("name", name),))


def test_tags(pair: Pair) -> None:
    name = create_registered_model(pair, tags=[{"key": "first", "value": "1"}])
    for tag in [tag for tags in TAGS if isinstance(tags, list) for tag in tags if isinstance(tag, dict)]:
        pair.post("registered-models/set-tag", {"name": name, **tag})
    pair.post("registered-models/set-tag", {"name": name, "key": "first", "value": "2"})
    show(pair, name)
    for key in ("first", "first", "unknown", "", None, 3, "a//b", "d" * 251):
        pair.delete("registered-models/delete-tag", {"name": name, "key": key})
    pair.delete("registered-models/delete-tag", {"name": name})
    show(pair, name)
    unknown = pair.name()
    pair.post("registered-models/set-tag", {"name": unknown, "key": "a", "value": "1"})
    pair.post("registered-models/set-tag", {"name": unknown, "key": "a//b", "value": "1"})
    pair.post("registered-models/set-tag", {"key": "a", "value": "1"})
    pair.delete("registered-models/delete-tag", {"name": unknown, "key": "a"})


def test_aliases(pair: Pair) -> None:
    name = create_registered_model(pair)
    first, second = create_version(pair, name), create_version(pair, name)
    for alias in (*ALIASES, *ODD_STRINGS):
        set_alias(pair, name, alias, first)
        if isinstance(alias, str):
            pair.get("registered-models/alias", name=name, alias=alias)
    show(pair, name, first, second)
    set_alias(pair, name, "champion", second)
    show(pair, name, first, second)
    pair.get("registered-models/alias", name=name, alias="champion")
    for alias in ("champion", "champion", "unknown", "latest", "v1", "a b", "", None, 3):
        pair.delete("registered-models/alias", {"name": name, "alias": alias})
    show(pair, name, first, second)
    for version in ("3", "0", "-1", "abc", "1.0", " 1 ", "+1", "01", "", None, 1, 1.5, True, [], "2147483647"):
        set_alias(pair, name, "challenger", version)
        pair.get("registered-models/alias", name=name, alias="challenger")
    unknown = pair.name()
    set_alias(pair, unknown, "champion", "1")
    for alias in ("champion", "latest"):
        pair.get("registered-models/alias", name=unknown, alias=alias)
        pair.delete("registered-models/alias", {"name": unknown, "alias": alias})
    pair.get("registered-models/alias", name=name)
    pair.get("registered-models/alias", alias="a")
    pair.get("registered-models/alias")


def test_aliases_of_deleted_versions(pair: Pair) -> None:
    name = create_registered_model(pair)
    pair.get("registered-models/alias", name=name, alias="latest")
    first, second = create_version(pair, name), create_version(pair, name)
    set_alias(pair, name, "champion", second)
    set_alias(pair, name, "kept", first)
    pair.delete("model-versions/delete", {"name": name, "version": second})
    show(pair, name, first, second)
    for alias in ("champion", "kept", "latest"):
        pair.get("registered-models/alias", name=name, alias=alias)
    set_alias(pair, name, "again", second)


def test_latest_versions(pair: Pair) -> None:
    name = create_registered_model(pair)
    pair.get("registered-models/get-latest-versions", name=name)
    versions = [create_version(pair, name, tags=[{"key": "t", "value": "1"}]) for _ in range(5)]
    for version, stage in zip(versions, ("Staging", "Staging", "Production", "Archived")):
        move(pair, name, version, stage)
    set_alias(pair, name, "champion", versions[1])
    set_alias(pair, name, "other", versions[1])
    show(pair, name)
    for stages in (["Staging"], ["production"], ["NONE"], ["Archived"], ["Staging", "Staging"], ["Staging", "Production"]):
        pair.get("registered-models/get-latest-versions", name=name, stages=stages)
        pair.post("registered-models/get-latest-versions", {"name": name, "stages": stages})
    for stages in ([], None, ["unknown"], [""], ["Deleted_Internal"], "Staging", 3, [3], ["latest"]):
        pair.post("registered-models/get-latest-versions", {"name": name, "stages": stages})
    pair.post("registered-models/get-latest-versions", {"name": pair.name(), "stages": ["unknown"]})
    pair.post("registered-models/get-latest-versions", {"name": pair.name()})
    pair.post("registered-models/get-latest-versions")
    pair.get("registered-models/get-latest-versions")
    pair.get("registered-models/get-latest-versions", name="")
    pair.get("registered-models/alias", name=name, alias="latest")
    pair.delete("model-versions/delete", {"name": name, "version": versions[1]})
    pair.get("registered-models/get-latest-versions", name=name, stages=["Staging"])
