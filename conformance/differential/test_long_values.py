"""`MLFLOW_TRUNCATE_LONG_VALUES`: with `false`, values that are too long are refused instead of being cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from differential.pair import Pair
from differential.recorder import Recorder
from differential.steps import create_experiment, create_model, create_run, log_batch
from fleet import Fleet

STRICT = (("MLFLOW_TRUNCATE_LONG_VALUES", "false"),)


@pytest.fixture
def strict_pair(fleet: Fleet, recorder: Recorder) -> Iterator[Pair]:
    """Both servers, refusing values that are too long; the database makes no difference here."""
    pair = Pair(fleet.official("sqlite", STRICT), fleet.candidate("sqlite", STRICT), "/api", recorder)
    yield pair
    pair.close()


def test_strict_lengths(strict_pair: Pair) -> None:
    _try_lengths(strict_pair)


def test_cut_lengths(pair: Pair) -> None:
    _try_lengths(pair)


def _try_lengths(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    for length in (6000, 6001, 8000, 8001):
        pair.post("runs/log-parameter", {"run_id": run, "key": f"one{length}", "value": "ü" * length})
        pair.post("runs/set-tag", {"run_id": run, "key": f"one{length}", "value": "ü" * length})
        log_batch(pair, run, params=[(f"many{length}", "v" * length)])
        log_batch(pair, run, tags=[(f"many{length}", "v" * length)])
        pair.post("runs/create", {"experiment_id": experiment, "tags": [{"key": "t", "value": "v" * length}]})
        pair.post("runs/update", {"run_id": run, "run_name": "n" * length})
    pair.get("runs/get", run_id=run)
    for length in (5000, 5001):
        pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": f"t{length}", "value": "v" * length})
    pair.get("experiments/get", experiment_id=experiment)
    model = create_model(pair, experiment)
    for length in (250, 251, 6000, 6001, 8000, 8001):
        pair.post(f"logged-models/{model}/params", {"model_id": model, "params": [{"key": f"p{length}", "value": "v" * length}]})
        pair.patch(f"logged-models/{model}/tags", {"model_id": model, "tags": [{"key": f"t{length}", "value": "v" * length}]})
    pair.get(f"logged-models/{model}")
