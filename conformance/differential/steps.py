"""Steps that many scenarios begin with, and values that many of them try."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair

UNKNOWN_RUN = "0123456789abcdef0123456789abcdef"
UNKNOWN_MODEL = "m-0123456789abcdef0123456789abcdef"
UNKNOWN_EXPERIMENT = "739999"
UNKNOWN_WEBHOOK = "0c2d6c9a-9d2c-4a8e-bb0e-0123456789ab"
# A public address, so that nothing has to be resolved; nothing is sent to it.
PUBLIC_URL = "https://93.184.216.34/hook"
MAX_INT64 = 2**63 - 1
MIN_INT64 = -(2**63)
# Values of the wrong type, or at the edge, for a field that takes a string.
ODD_STRINGS: list[Any] = [None, "", " ", 31, 1.5, True, [], ["a"], {}, {"a": "b"}, "a\x00b", "🚀 ünïcode 漢字"]
# The same for a field that takes an integer.
ODD_INTEGERS: list[Any] = [
    *(None, "", "12", " 12", "abc", "1.0", "1e3", 1.0, 1.5, -1, True, [], [1], {}, "NaN"),
    *(MAX_INT64, MIN_INT64, MAX_INT64 + 1, MIN_INT64 - 1, str(MAX_INT64), str(MAX_INT64 + 1), 1e18, 1e19),
]


def create_experiment(pair: Pair, label: str = "experiment", **fields: Any) -> str:
    """Creates an experiment with a new name; returns its id."""
    return pair.post("experiments/create", {"name": pair.name(label), **fields}).ref("experiment_id")


def create_run(pair: Pair, experiment: str, start_time: int = 1, **fields: Any) -> str:
    """Creates a run; returns its id. Runs of one experiment need different start times to have a definite order."""
    body = {"experiment_id": experiment, "start_time": start_time, **fields}
    return pair.post("runs/create", body).ref("run.info.run_id")


def create_model(pair: Pair, experiment: str, **fields: Any) -> str:
    """Creates a logged model; returns its id."""
    return pair.post("logged-models", {"experiment_id": experiment, **fields}).ref("model.info.model_id")


def create_webhook(pair: Pair, **fields: Any) -> str:
    """Creates a webhook that is told of new models; returns its id."""
    body = {"name": pair.name("webhook"), "url": PUBLIC_URL, "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}], **fields}
    return pair.post("webhooks", body).ref("webhook.webhook_id")


def log_batch(pair: Pair, run: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
    """Logs metrics as (key, value, timestamp, step), and params and tags as (key, value)."""
    pair.post(
        "runs/log-batch",
        {
            "run_id": run,
            "metrics": [{"key": k, "value": v, "timestamp": t, "step": s} for k, v, t, s in metrics],
            "params": [{"key": key, "value": value} for key, value in params],
            "tags": [{"key": key, "value": value} for key, value in tags],
        },
    )


def dataset(name: str, digest: str, **fields: Any) -> dict[str, Any]:
    """A dataset input."""
    body = {"name": name, "digest": digest, "source_type": "local", "source": f"/data/{name}", **fields}
    return {"dataset": body, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
