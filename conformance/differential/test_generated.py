"""Generated sequences of calls: whatever the order of creating, logging, deleting and searching, both servers agree.

Every example works in a new experiment. What it refers to (runs, keys) comes from small sets, so that calls meet.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential.pair import Pair
from differential.recorder import Recorder
from differential.steps import create_experiment, create_run
from fleet import Fleet

EXAMPLES = 60
LONGEST = 14
RUNS = 3
Step = tuple[str, dict[str, Any]]

keys = st.sampled_from(["a", "b", "a.b", "c d", "A", "a/b", "a//b", "ü", "", "k" * 251])
texts = st.sampled_from(["", "1", "x", "X", "it's", 'say "x"', "100%", "under_score", "ü", "back\\slash", " ", "`"])
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.sampled_from(["NaN", "Infinity", "-Infinity", 0, -0.0, 1, 1.5, 1e308, 5e-324]),
)
integers = st.one_of(st.integers(-3, 3), st.sampled_from([0, 2**53, 2**63 - 1, -(2**63), 1_600_000_000_000]))
metrics = st.fixed_dictionaries({"key": keys, "value": numbers, "timestamp": integers, "step": integers})
texts_by_key = st.fixed_dictionaries({"key": keys, "value": texts})

comparators = st.sampled_from(["=", "!=", ">", "<=", "LIKE", "ILIKE", "IN", "like", "==", ""])
operands = st.sampled_from(["'1'", "'x'", "'X%'", "'_'", "1", "1.5", "0", "-1", "('1', 'x')", "()", "\"x\"", "x", "'it''s'", "''"])
operand_names = st.sampled_from(
    ["metrics.a", "metrics.`c d`", "params.a", "params.`a.b`", "params.A", "tags.a", "tags.ü", "run_name", "status", "start_time", "user_id", "x.y"]
)
comparisons = st.tuples(operand_names, comparators, operands).map(" ".join)
filters = st.lists(comparisons, max_size=3).map(" AND ".join)
orders = st.lists(st.tuples(operand_names, st.sampled_from(["", "ASC", "DESC"])).map(" ".join), max_size=2)


def _step(route: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(route), st.fixed_dictionaries(fields))


runs = st.integers(0, RUNS - 1)
steps = st.one_of(
    _step("runs/log-metric", run=runs, key=keys, value=numbers, timestamp=integers, step=integers),
    _step("runs/log-parameter", run=runs, key=keys, value=texts),
    _step("runs/set-tag", run=runs, key=keys, value=texts),
    _step("runs/delete-tag", run=runs, key=keys),
    _step(
        "runs/log-batch",
        run=runs,
        metrics=st.lists(metrics, max_size=4),
        params=st.lists(texts_by_key, max_size=3),
        tags=st.lists(texts_by_key, max_size=3),
    ),
    _step("runs/update", run=runs, status=st.sampled_from(["FINISHED", "FAILED", "RUNNING"]), end_time=integers),
    _step("runs/update", run=runs, run_name=texts),
    _step("runs/delete", run=runs),
    _step("runs/restore", run=runs),
    _step("experiments/set-experiment-tag", key=keys, value=texts),
    _step("experiments/delete"),
    _step("experiments/restore"),
    _step("runs/search", filter=filters, order_by=orders, run_view_type=st.sampled_from(["ACTIVE_ONLY", "ALL"])),
    _step("metrics/get-history", run=runs, metric_key=keys, max_results=st.integers(1, 5)),
)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_sequences(engine: str, fleet: Fleet, recorder: Recorder) -> None:
    official, candidate = fleet.official(engine), fleet.candidate(engine)

    def play(sequence: list[Step]) -> None:
        pair = Pair(official, candidate, "/api", recorder)
        try:
            _play(pair, sequence)
            pair.assert_equal_answers()
        finally:
            pair.close()

    _given_sequences(play)()


def _given_sequences(play: Callable[[list[Step]], None]) -> Callable[[], None]:
    decorate = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="CI" in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    return decorate(given(st.lists(steps, min_size=2, max_size=LONGEST))(play))


def _play(pair: Pair, sequence: list[Step]) -> None:
    experiment = create_experiment(pair)
    identifiers = [create_run(pair, experiment, number, run_name=f"run {number}") for number in range(RUNS)]
    for route, fields in sequence:
        body = dict(fields)
        if "run" in body:
            body["run_id"] = identifiers[body.pop("run")]
        if route.startswith("experiments/"):
            body["experiment_id"] = experiment
        if route == "metrics/get-history":
            pair.get(route, **body)
        else:
            pair.post(route, {"experiment_ids": [experiment], **body} if route == "runs/search" else body)
    for identifier in identifiers:
        pair.get("runs/get", run_id=identifier)
    pair.get("experiments/get", experiment_id=experiment)
