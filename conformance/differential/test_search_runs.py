"""runs/search: the filter language, order, pages and view types over a fixed set of runs."""

from __future__ import annotations

from typing import Any

import pytest

from differential.pair import Pair
from differential.search_runs_table import FILTERS, ORDERS, ORDERS_OF_ONE, RUNS
from differential.steps import MAX_INT64, UNKNOWN_EXPERIMENT, create_experiment, create_run, dataset, log_batch


@pytest.fixture
def experiment(pair: Pair) -> str:
    """Makes the runs of RUNS; returns their experiment's id."""
    identifier = create_experiment(pair)
    for number, fields in enumerate(RUNS):
        run = create_run(pair, identifier, 100 + number, run_name=fields["name"], user_id=fields["user"])
        metrics = [(key, value, 1, 1) for key, value in fields["metrics"].items()]
        log_batch(pair, run, metrics, fields["params"].items(), fields["tags"].items())
        if fields["dataset"]:
            name, digest, context = fields["dataset"]
            tags = [{"key": "mlflow.data.context", "value": context}]
            pair.post("runs/log-inputs", {"run_id": run, "datasets": [{**dataset(name, digest), "tags": tags}]})
        if fields["status"] != "RUNNING":
            pair.post("runs/update", {"run_id": run, "status": fields["status"], "end_time": 200 - number})
        if fields["deleted"]:
            pair.post("runs/delete", {"run_id": run})
    return identifier


def test_filters(pair: Pair, experiment: str) -> None:
    for text in FILTERS:
        pair.post("runs/search", {"experiment_ids": [experiment], "filter": text})


def test_orders(pair: Pair, experiment: str) -> None:
    for order in ORDERS:
        pair.post("runs/search", {"experiment_ids": [experiment], "order_by": order})
    for order in ORDERS_OF_ONE:
        pair.post("runs/search", {"experiment_ids": [experiment], "order_by": order, "filter": "run_name = 'Plain'"})


def test_filter_by_run_id(pair: Pair, experiment: str) -> None:
    first = pair.post("runs/search", {"experiment_ids": [experiment], "max_results": 2})
    one, two = first.ref("runs.0.info.run_id"), first.ref("runs.1.info.run_id")
    for text in (
        *(f"run_id = '{one}'", f"attributes.run_id = '{one}'", f"run_id != '{one}'", f"run_id IN ('{one}', '{two}')"),
        *(f"run_id NOT IN ('{one}')", f"run_id LIKE '{one}'", "run_id ILIKE '%'", "run_id IN ('x')", f"run_id IN ('{one}',)"),
        *(f'run_id = "{one}"', f"run_uuid = '{one}'", f"run_id IN '{one}'", "run_id IN (1, 2)", "run_id IN ()"),
        *("artifact_uri LIKE 'mlflow-artifacts:%'", f"artifact_uri LIKE '%{one}%'", "experiment_id = '1'", "lifecycle_stage = 'active'"),
    ):
        pair.post("runs/search", {"experiment_ids": [experiment], "filter": text})


def test_view_types(pair: Pair, experiment: str) -> None:
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, 0, 4, "2", "all", "", None, 1.5, True, []):
        pair.post("runs/search", {"experiment_ids": [experiment], "run_view_type": view})


def test_experiment_ids(pair: Pair, experiment: str) -> None:
    other = create_experiment(pair)
    create_run(pair, other, 150)
    for ids in (
        *([experiment, other], [other, other], [UNKNOWN_EXPERIMENT], ["abc"], [""], [], None, "1", 3, [3], [None], {}, [[]]),
        *([str(MAX_INT64)], [str(MAX_INT64 + 1)], ["-1"], ["1.5"], [other, "abc"]),
    ):
        pair.post("runs/search", {"experiment_ids": ids})
    pair.post("experiments/delete", {"experiment_id": other})
    pair.post("runs/search", {"experiment_ids": [other]})
    pair.post("runs/search", {"experiment_ids": [other], "run_view_type": "DELETED_ONLY"})
    pair.post("runs/search", {})
    pair.post("runs/search")


def test_max_results(pair: Pair, experiment: str) -> None:
    for size in (1, "2", 50000, 50001, 0, -1, None, "", "abc", 1.0, 1.5, True, [], MAX_INT64, MAX_INT64 + 1, -(2**31), 2**31):
        pair.post("runs/search", {"experiment_ids": [experiment], "max_results": size})


def test_wrong_types(pair: Pair, experiment: str) -> None:
    odd: list[Any] = [None, 3, 1.5, True, [], {}, ["a"]]
    for value in odd:
        pair.post("runs/search", {"experiment_ids": [experiment], "filter": value})
        pair.post("runs/search", {"experiment_ids": [experiment], "page_token": value})
        pair.post("runs/search", {"experiment_ids": [experiment], "order_by": value})
    pair.post("runs/search", {"experimentIds": [experiment], "maxResults": 1, "orderBy": ["start_time ASC"]})


def test_pages(pair: Pair, experiment: str) -> None:
    body: dict[str, Any] = {"experiment_ids": [experiment], "order_by": ["start_time"], "max_results": 3}
    pages = 0
    while pages < 10:
        page = pair.post("runs/search", body)
        pages += 1
        if b"next_page_token" not in page.official.body:
            break
        body["page_token"] = page.ref("next_page_token")
    for token in ("abc", "", "bm90IGpzb24=", "eyJvZmZzZXQiOiAyfQ==", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAiYSJ9", "e30=", "W10="):
        pair.post("runs/search", {**body, "page_token": token})
