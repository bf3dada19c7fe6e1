"""What other scenarios call too seldom: every call here comes twice, and so goes to both prefixes."""

from __future__ import annotations

from differential.pair import Pair
from differential.steps import UNKNOWN_MODEL, create_experiment, create_model

TWICE = range(2)


def test_experiments(pair: Pair) -> None:
    name = pair.name("experiment")
    experiment = pair.post("experiments/create", {"name": name}).ref("experiment_id")
    for _ in TWICE:
        pair.get("experiments/get-by-name", experiment_name=name)
    for _ in TWICE:
        pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "a", "value": "1"})
        pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "a"})
        pair.post("experiments/delete", {"experiment_id": experiment})
        pair.post("experiments/restore", {"experiment_id": experiment})
        pair.post("experiments/update", {"experiment_id": experiment, "new_name": pair.name("renamed")})


def test_logged_models(pair: Pair) -> None:
    experiment = create_experiment(pair)
    models = [create_model(pair, experiment, tags=[{"key": "a", "value": "1"}]) for _ in TWICE]
    for _ in TWICE:
        for model in models:
            pair.delete(f"logged-models/{model}/tags/a")
    for model in models:
        pair.get(f"logged-models/{model}/artifacts/directories")
        pair.get(f"logged-models/{UNKNOWN_MODEL}/artifacts/directories")
        pair.delete(f"logged-models/{model}")
        pair.delete(f"logged-models/{UNKNOWN_MODEL}")


def test_artifacts(pair: Pair) -> None:
    base = f"{pair.prefix}/2.0/mlflow-artifacts"
    file = f"{pair.name('folder')}/a.txt"
    for _ in TWICE:
        pair.send("PUT", f"{base}/artifacts/{file}", body=b"text")
        pair.send("GET", f"{base}/artifacts/{file}")
        pair.send("GET", f"{base}/artifacts/none/a.txt")
        pair.send("GET", f"{base}/artifacts?path=../a")
        pair.send("PUT", f"{base}/artifacts/..%2fa", body=b"text")
        pair.send("DELETE", f"{base}/artifacts/..%2fa")
        pair.send("DELETE", f"{base}/artifacts/{file}")
        for verb in ("create", "complete", "abort"):
            pair.send("POST", f"{base}/mpu/{verb}/a.bin", body={"path": "a.bin", "num_parts": 1, "upload_id": "u", "parts": []})
