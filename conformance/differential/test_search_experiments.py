"""experiments/search: filters, order, pages, view types, by GET and by POST."""

from __future__ import annotations

from typing import Any

import pytest

from differential.pair import Pair
from differential.steps import MAX_INT64, create_experiment

TABLE: list[tuple[str, str, dict[str, str]]] = [
    ("Alpha", "active", {"team": "red", "Size": "10"}),
    ("beta", "active", {"team": "blue", "a.b": "x"}),
    ("gam_ma", "active", {"team": "Red", "with space": "y"}),
    ("del%ta", "active", {}),
    ("Epsilön", "active", {"team": ""}),
    ("zeta's", "deleted", {"team": "red"}),
]
# `NAME` becomes the unique end of the names of this scenario's experiments.
FILTERS = [
    *("", " ", "name LIKE '%NAME'", "name ILIKE 'ALPHA%NAME'", "name LIKE 'alpha%NAME'", "name = 'AlphaNAME'"),
    *("name != 'AlphaNAME' AND name LIKE '%NAME'", "name LIKE 'gam_ma%NAME'", "name LIKE 'gamXma%NAME'", "name LIKE 'del%%NAME'"),
    *("attribute.name = 'betaNAME'", "attributes.name = 'betaNAME'", "attr.name = 'betaNAME'", "experiment.name = 'betaNAME'"),
    *("NAME = 'beta'", 'name = "betaNAME"', "name = 'zeta''sNAME'", "name = \"zeta'sNAME\"", "name = 'Epsilön' ", "name ILIKE 'EPSILÖN%NAME'"),
    *("tag.team = 'red' AND name LIKE '%NAME'", "tags.team = 'red' AND name LIKE '%NAME'", "tags.team != 'red' AND name LIKE '%NAME'"),
    *("tags.team ILIKE 'RE%' AND name LIKE '%NAME'", "tags.team LIKE 're%' AND name LIKE '%NAME'", "tags.team = '' AND name LIKE '%NAME'"),
    *("tags.`a.b` = 'x' AND name LIKE '%NAME'", 'tags."a.b" = \'x\' AND name LIKE \'%NAME\'', "tags.`with space` = 'y' AND name LIKE '%NAME'"),
    *("tags.a.b = 'x' AND name LIKE '%NAME'", "tags.team = 'red' AND tags.Size = '10' AND name LIKE '%NAME'", "tags.missing = 'x'"),
    *("tags.team IN ('red')", "name IN ('AlphaNAME', 'betaNAME')", "name NOT IN ('AlphaNAME')", "name IN ()", "name IN ('AlphaNAME')"),
    *("creation_time > 0 AND name LIKE '%NAME'", "creation_time < 5", "last_update_time >= 1 AND name LIKE '%NAME'", "creation_time = 'abc'"),
    *("creation_time > 1.5 AND name LIKE '%NAME'", "creation_time LIKE '1'", "creation_time != 5 AND name LIKE '%NAME'", "creation_time > -1 AND name LIKE '%NAME'"),
    *("name", "name =", "= 'a'", "name = 5", "name = beta", "name == 'a'", "name <> 'a'", "name > 'a'", "name LIKE", "name = 'a' OR name = 'b'"),
    *("name = 'a' AND", "AND name = 'a'", "name = 'a' name = 'b'", "name = 'unclosed", "(name = 'a')", "name IS NULL", "NOT name = 'a'"),
    *("artifact_location = 'a'", "experiment_id = '1'", "lifecycle_stage = 'active'", "params.a = '1'", "metrics.a > 1", "tags. = 'a'", "tags = 'a'"),
    *("unknown.name = 'a'", "name = 'a'; DROP TABLE experiments", "name = 'a' -- comment", "tags.team = red", "tags.team = 5", "tags.team > 'a'"),
    *("name='betaNAME'", "name  =  'betaNAME'", "name\n=\n'betaNAME'", "name LIKE '%NAME' and tags.team = 'red'", "name like '%NAME'", "`name` = 'betaNAME'"),
]
ORDERS: list[Any] = [
    *(["name"], ["name ASC"], ["name DESC"], ["name asc"], ["Name"], ["attribute.name"], ["attributes.name desc"], ["`name`"]),
    *(["experiment_id"], ["experiment_id DESC"], ["creation_time"], ["creation_time DESC"], ["last_update_time DESC", "name"]),
    *(["name", "experiment_id DESC"], ["tags.team"], ["artifact_location"], ["lifecycle_stage"], ["name FOO"], ["name ASC DESC"], [""], [" "]),
    *(["name, experiment_id"], ["name;"], [3], [None], "name", {}, [[]], [], None, ["name", "name DESC"]),
]


@pytest.fixture
def suffix(pair: Pair) -> str:
    """Makes the experiments of TABLE; returns the end of their names."""
    ending = f"_{pair.token}"
    for name, stage, tags in TABLE:
        body = {"name": name + ending, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
        experiment = pair.post("experiments/create", body).ref("experiment_id")
        if stage == "deleted":
            pair.post("experiments/delete", {"experiment_id": experiment})
    return ending


def test_filters(pair: Pair, suffix: str) -> None:
    for text in FILTERS:
        bounded = text.replace("NAME", suffix) if text.strip() else f"name LIKE '%{suffix}' {text}"
        pair.post("experiments/search", {"filter": bounded, "max_results": 100, "order_by": ["name"]})


def test_orders(pair: Pair, suffix: str) -> None:
    for order in ORDERS:
        body = {"filter": f"name LIKE '%{suffix}'", "max_results": 100, "order_by": order}
        pair.post("experiments/search", body)


def test_view_types(pair: Pair, suffix: str) -> None:
    body = {"filter": f"name LIKE '%{suffix}'", "max_results": 100, "order_by": ["name"]}
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, 0, 4, "1", "3", "active_only", "", None, "FOO", 1.5, True, []):
        pair.post("experiments/search", {**body, "view_type": view})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", "1", "2", "3", "FOO", ""):
        pair.get("experiments/search", filter=body["filter"], max_results=5, order_by="name", view_type=view)


def test_max_results(pair: Pair, suffix: str) -> None:
    body = {"filter": f"name LIKE '%{suffix}'", "order_by": ["name"]}
    for size in (1, "2", 50000, 50001, 0, -1, None, "", "abc", 1.0, 1.5, True, [], MAX_INT64, MAX_INT64 + 1):
        pair.post("experiments/search", {**body, "max_results": size})
    for size in ("1", "0", "-1", "abc", "", "1.5", "50001"):
        pair.get("experiments/search", max_results=size, **body)
    pair.post("experiments/search", body)
    pair.post("experiments/search", {})
    pair.get("experiments/search")


def test_pages(pair: Pair, suffix: str) -> None:
    body = {"filter": f"name LIKE '%{suffix}'", "order_by": ["name"], "max_results": 2}
    page = pair.post("experiments/search", body)
    token = page.ref("next_page_token")
    page = pair.get("experiments/search", page_token=token, **body)
    token = page.ref("next_page_token")
    pair.post("experiments/search", {**body, "page_token": token})
    pair.post("experiments/search", {**body, "page_token": token, "max_results": 1})
    for bad in ("abc", "", "bm90IGpzb24=", "eyJvZmZzZXQiOiAyfQ==", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAiYSJ9", "e30=", "W10=", 3, None, []):
        pair.post("experiments/search", {**body, "page_token": bad})


def test_default_order(pair: Pair) -> None:
    for _ in range(4):
        create_experiment(pair, "ordered")
    pair.post("experiments/search", {"filter": f"name LIKE 'ordered_{pair.token}%'", "max_results": 10})
