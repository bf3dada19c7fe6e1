"""Generated sequences of calls to the registry: whatever the order of creating, moving, renaming and deleting, both servers agree.

Every example works with new names. Orders are by name and number, as times may be equal on one server only.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential.pair import Pair
from differential.recorder import Recorder
from differential.registry_steps import PROMPT_TAG, SOURCE
from fleet import Fleet

EXAMPLES = 60
LONGEST = 16
MODELS = 2
Step = tuple[str, dict[str, Any]]

models = st.integers(0, MODELS - 1)
versions = st.sampled_from(["1", "2", "3", "4", "0", "x", "01"])
stages = st.sampled_from(["None", "Staging", "Production", "Archived", "production", "x"])
aliases = st.sampled_from(["a", "b", "A", "v1", "a b", "Ünï"])
keys = st.sampled_from(["k", "K", "a.b", "a//b", "ü", "", PROMPT_TAG["key"]])
texts = st.sampled_from(["", "1", "x", "X", "true", "it's", "100%", "ü", " "])
tags = st.lists(st.fixed_dictionaries({"key": keys, "value": texts}), max_size=2)
sources = st.one_of(st.just(SOURCE), st.tuples(models, versions).map(lambda pair: f"models:/<{pair[0]}>/{pair[1]}"))

comparators = st.sampled_from(["=", "!=", ">", "<=", "LIKE", "ILIKE", "IN", "like", ""])
operands = st.sampled_from(["'1'", "'x'", "'X%'", "'true'", "1", "2.5", "('r1', 'x')", "()", "x", "''"])
names = st.sampled_from(["name", "version_number", "run_id", "source_path", "tags.k", "tags.`a.b`", f"tags.`{PROMPT_TAG['key']}`", "x.y"])
comparisons = st.tuples(names, comparators, operands).map(" ".join)
filters = st.lists(comparisons, max_size=2)


def _step(call: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(call), st.fixed_dictionaries(fields))


steps = st.one_of(
    _step("POST registered-models/create", name=models, tags=tags, description=texts),
    _step("POST registered-models/rename", name=models, new_name=models),
    _step("PATCH registered-models/update", name=models, description=texts),
    _step("DELETE registered-models/delete", name=models),
    _step("POST registered-models/set-tag", name=models, key=keys, value=texts),
    _step("DELETE registered-models/delete-tag", name=models, key=keys),
    _step("POST registered-models/alias", name=models, alias=aliases, version=versions),
    _step("DELETE registered-models/alias", name=models, alias=aliases),
    _step("GET registered-models/alias", name=models, alias=aliases),
    _step("GET registered-models/get-latest-versions", name=models, stages=st.lists(stages, max_size=2)),
    _step("POST model-versions/create", name=models, source=sources, tags=tags, run_id=st.sampled_from(["", "r1", "r2"])),
    _step("POST model-versions/create", name=models, source=sources, tags=tags),
    _step("PATCH model-versions/update", name=models, version=versions, description=texts),
    _step("PATCH model-versions/update", name=models, version=versions),
    _step("POST model-versions/transition-stage", name=models, version=versions, stage=stages, archive_existing_versions=st.booleans()),
    _step("DELETE model-versions/delete", name=models, version=versions),
    _step("POST model-versions/set-tag", name=models, version=versions, key=keys, value=texts),
    _step("DELETE model-versions/delete-tag", name=models, version=versions, key=keys),
    _step("GET model-versions/get-download-uri", name=models, version=versions),
    _step("GET model-versions/search", filter=filters),
    _step("GET registered-models/search", filter=filters),
)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_sequences(engine: str, fleet: Fleet, recorder: Recorder) -> None:
    official, candidate = fleet.official(engine), fleet.candidate(engine)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="CI" in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(steps, min_size=2, max_size=LONGEST))
    def play(sequence: list[Step]) -> None:
        pair = Pair(official, candidate, "/api", recorder)
        try:
            _play(pair, sequence)
            pair.assert_equal_answers()
        finally:
            pair.close()

    play()


def _play(pair: Pair, sequence: list[Step]) -> None:
    mine = pair.name("mine")
    called = [f"{mine}_{number}" for number in range(MODELS)]
    pair.post("registered-models/create", {"name": called[0]})
    for _ in range(2):
        pair.post("model-versions/create", {"name": called[0], "source": SOURCE})
    for call, fields in sequence:
        method, _, route = call.partition(" ")
        body = {name: called[value] if name in ("name", "new_name") else value for name, value in fields.items()}
        if "source" in body:
            body["source"] = body["source"].replace("<0>", called[0]).replace("<1>", called[1])
        if "filter" in body:
            body["filter"] = " AND ".join([f"name LIKE '{mine}%'", *body["filter"]])
            body["order_by"] = ["name", "version_number"] if route.startswith("model-versions") else ["name"]
        if method == "GET":
            pair.get(route, **body)
        else:
            pair.send(method, f"{pair.prefix}/2.0/mlflow/{route}", body=body)
    for name in called:
        pair.get("registered-models/get", name=name)
        pair.get("model-versions/search", filter=f"name = '{name}'", order_by=["version_number"])
        for version in ("1", "2", "3"):
            pair.get("model-versions/get", name=name, version=version)
