"""Searching registered models and model versions: filters, orders, pages."""

from __future__ import annotations

from typing import Any

import pytest

from differential.pair import Pair
from differential.registry_steps import PROMPT_TAG, create_registered_model, create_version, move
from differential.steps import ODD_INTEGERS, ODD_STRINGS

BAD_FILTERS = [
    *("name", "name =", "= 'a'", "name = a", "name = 5", "name == 'a'", "name > 'a'", "name = 'a' OR name = 'b'", "name = 'a';"),
    *("name IN ('a')", "name NOT IN ('a')", "`name` = 'a'", '"name" = \'a\'', "attribute.`name` = 'a'", "attributes.name = 'a'"),
    *("version = 1", "version_number = 'abc'", "version_number LIKE '1'", "version_number IN (1)", "version_number = (1)", "source = 'a'"),
    *("params.a = 'b'", "metrics.a > 1", "tags.a = 5", "tags.a > 'b'", "tags.a IN ('b')", "tag. = 'x'", "foo = 'a'", "foo.bar = 'a'"),
    *("creation_timestamp > 5", "last_updated_timestamp > 5", "run_id > 'a'", "run_id NOT IN ('a')", "run_id = ('a')", "run_id IN ()"),
    *("run_id IN (1)", "run_id IN ('a', 1)", "run_id IN 'a'", "source_path IN ('a')", "source_path = 5", "name = 'a' AND", "name LIKE 5", ";", "(name = 'a')"),
    *("name = 'it''s'", "name RLIKE 'a'", "name IS NULL", "description = 'a'", "current_stage = 'None'", "tags.a = 'b' tags.c = 'd'", "name = 'a' name = 'b'"),
]
BAD_ORDERS = ["", " ", "foo", "name foo", "name ASC DESC", "version", "description", "tags.a", "1", "'name'", "name, timestamp", "name;", "metrics.a", "creation_time"]
TOKENS = ["x", "e30=", "eyJvZmZzZXQiOiAxfQ==", "eyJvZmZzZXQiOiAiMSJ9", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAwfQ==", "W10=", "eyJvZmZzZXQiOiAieCJ9"]


def test_registered_models(pair: Pair) -> None:
    prefix = pair.name("s")
    for label, team in (("alpha", "a"), ("Beta", "b"), ("gamma", "a"), ("delta_1", "B"), ("epsilon%", None)):
        tags = [{"key": "team", "value": team}, {"key": "all", "value": "yes"}] if team else []
        name = create_registered_model(pair, f"{prefix}{label}", tags=tags, description=label)
        create_version(pair, name)
    mine = f"name LIKE '{prefix}%'"
    for filter_ in (
        *(f"name = '{prefix}alpha'", f"name != '{prefix}alpha' AND {mine}", f"name ILIKE '{prefix.upper()}BETA'", mine, f"name like '{prefix}%a'"),
        *(f"attribute.name = '{prefix}Beta'", f"name LIKE '{prefix}%!%' AND {mine}", f"name LIKE '{prefix}delta_1'", f'name = "{prefix}alpha"'),
        *(f"tags.team = 'a' AND {mine}", f"tag.team != 'a' AND {mine}", f"tags.team ILIKE 'b' AND {mine}", f"tags.`team` LIKE '%' AND {mine}"),
        *(f"tags.team = 'a' AND tags.team != 'b' AND {mine}", f"tags.team = 'a' AND tags.all = 'yes' AND {mine}", f"tags.unknown != 'a' AND {mine}"),
        *(f"tags.team = 'a' AND tags.team = 'b' AND {mine}", f"tags.\"team\" = 'a' AND {mine}", f"{mine} and tags.all = 'yes'", f"name = '{prefix}'"),
    ):
        pair.get("registered-models/search", filter=filter_)
    for order in (["name"], ["name DESC"], ["timestamp", "name"], ["last_updated_timestamp DESC"], ["name asc", "timestamp DESC"], ["`name` DESC"], ['"name" DESC']):
        pair.get("registered-models/search", filter=mine, order_by=order)


@pytest.mark.parametrize("order", [[], ["timestamp", "name DESC"]], ids=["by-name", "by-time"])
def test_pages_of_registered_models(order: list[str], pair: Pair) -> None:
    """One search a scenario: the official tokens of different searches may be the same."""
    prefix = pair.name("s")
    for label in ("alpha", "Beta", "gamma", "delta", "epsilon"):
        create_registered_model(pair, f"{prefix}{label}")
    for max_results in (1, 2, 4, 5, 6, 1000):
        _pages(pair, "registered-models/search", filter=f"name LIKE '{prefix}%'", max_results=max_results, order_by=order)


def test_model_versions(pair: Pair) -> None:
    prefix = pair.name("s")
    names = [create_registered_model(pair, f"{prefix}{label}") for label in ("alpha", "Beta")]
    for n in range(6):
        team = [{"key": "team", "value": "ab"[n % 2]}, {"key": "all", "value": "yes"}]
        create_version(pair, names[n % 2], run_id=f"run{n % 3}", source=f"s3://b/{prefix}/{n}", tags=team if n < 5 else [])
    move(pair, names[0], "2", "Production")
    pair.delete("model-versions/delete", {"name": names[1], "version": "1"})
    mine = f"name LIKE '{prefix}%'"
    for filter_ in (
        *(mine, f"name = '{names[0]}'", f"name != '{names[0]}' AND {mine}", f"name ILIKE '{prefix.upper()}%'", f"attribute.name = '{names[0]}'"),
        *(f"version_number = 2 AND {mine}", f"version_number > 1 AND {mine}", f"version_number <= 2.5 AND {mine}", f"version_number != 1 AND {mine}"),
        *(f"version_number = '2' AND {mine}", f"version_number >= ' 2 ' AND {mine}", f"version_number < 99999999999 AND {mine}", f"version_number > -1 AND {mine}"),
        *(f"run_id = 'run0' AND {mine}", f"run_id IN ('run0', 'run1') AND {mine}", f"run_id in ('run2') AND {mine}", f"run_id LIKE 'run%' AND {mine}"),
        *(f"source_path = 's3://b/{prefix}/1'", f"source_path LIKE '%{prefix}%'", f"source_path ILIKE '%{prefix.upper()}%'", f"source_path != 'x' AND {mine}"),
        *(f"tags.team = 'a' AND {mine}", f"tags.team != 'a' AND {mine}", f"tags.team = 'a' AND tags.all = 'yes' AND {mine}", f"tags.team LIKE '%' AND {mine}"),
    ):
        pair.get("model-versions/search", filter=filter_, order_by=["name", "version_number"])
    for order in (
        *(["version_number"], ["version_number DESC"], ["name", "version_number"], ["name DESC"], ["creation_timestamp", "name", "version_number"]),
        *(["attribute.name"], ["tags.name DESC"], ["`version_number` DESC"], ["last_updated_timestamp", "version_number", "name"]),
    ):
        pair.get("model-versions/search", filter=mine, order_by=order)
    for max_results in (1, 2, 4, 5, 6):
        _pages(pair, "model-versions/search", filter=mine, max_results=max_results, order_by=["version_number", "name DESC"])
    pair.get("model-versions/search", filter=f"name = '{pair.name()}'")


def test_the_newest_versions_come_first(pair: Pair) -> None:
    name = create_registered_model(pair)
    for _ in range(3):
        create_version(pair, name)
    pair.patch("model-versions/update", {"name": name, "version": "1", "description": "x"})
    _pages(pair, "model-versions/search", filter=f"name = '{name}'", max_results=1)


def test_prompts_are_kept_apart(pair: Pair) -> None:
    prefix, key = pair.name("s"), PROMPT_TAG["key"]
    values = {"model": None, "prompt": "true", "False": "false", "Upper": "TRUE", "other": "x"}
    for label, value in values.items():
        tags = [{"key": key, "value": value}] if value else []
        name = create_registered_model(pair, f"{prefix}{label}", tags=tags)
        create_version(pair, name, tags=tags)
    # One version with the tag is enough.
    create_version(pair, f"{prefix}model")
    create_version(pair, create_registered_model(pair, f"{prefix}mixed"))
    create_version(pair, f"{prefix}mixed", tags=[PROMPT_TAG])
    mine = f"name LIKE '{prefix}%'"
    for condition in (
        *("= 'true'", "= 'TRUE'", "= 'false'", "!= 'true'", "!= 'false'", "!= 'FALSE'", "LIKE 'true'", "ILIKE 'TRUE'", "LIKE '%'", "= 'x'", "!= 'x'"),
        f"= 'true' AND tags.`{key}` = 'false'",
        f"= 'false' AND tags.`{key}` = 'true'",
    ):
        for route in ("registered-models/search", "model-versions/search"):
            pair.get(route, filter=f"tags.`{key}` {condition} AND {mine}", order_by=["name"])
            pair.get(route, filter=f"{mine} AND tag.\"{key}\" {condition}", order_by=["name"])
    for route in ("registered-models/search", "model-versions/search"):
        pair.get(route, filter=mine, order_by=["name"])


def test_bad_searches(pair: Pair) -> None:
    for route in ("registered-models/search", "model-versions/search"):
        for filter_ in BAD_FILTERS:
            pair.get(route, filter=filter_, max_results=1)
        for order in BAD_ORDERS:
            pair.get(route, order_by=[order], filter="name = 'none'")
        for orders in (["name", "name DESC"], ["timestamp", "last_updated_timestamp"], ["last_updated_timestamp", "last_updated_timestamp"]):
            pair.get(route, order_by=orders, filter="name = 'none'")
        for token in TOKENS:
            pair.get(route, page_token=token, filter="name = 'none'")
        for max_results in (*ODD_INTEGERS, 0, -1, -5, 1000, 1001, 200_000, 200_001):
            pair.get(route, max_results=max_results, filter="name = 'none'")


def test_mistyped_searches(pair: Pair) -> None:
    """Both searches read a body where there is no query."""
    for route in ("registered-models/search", "model-versions/search"):
        path = f"{pair.prefix}/2.0/mlflow/{route}"
        for field in ("filter", "page_token"):
            for value in ODD_STRINGS:
                if value not in (None, "", " ") or field == "page_token":
                    pair.send("GET", path, body={"max_results": 1, "filter": "name = 'none'", field: value})
        for value in (None, [], ["name"], "name", 3, [3], {}, [None]):
            pair.send("GET", path, body={"filter": "name = 'none'", "order_by": value})
        for value in ODD_INTEGERS:
            pair.send("GET", path, body={"filter": "name = 'none'", "max_results": value})


def _pages(pair: Pair, route: str, **query: Any) -> None:
    """All pages, one after the other."""
    page = pair.get(route, **query)
    while page.succeeded() and "next_page_token" in page.official.json():
        page = pair.get(route, page_token=page.ref("next_page_token"), **query)
