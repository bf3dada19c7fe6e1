"""What the browser test looks at: two experiments that the stock client fills as people do."""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
import time
import urllib.request
import wave
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot
import mlflow
import numpy
import pandas
from mlflow.entities import Metric, TraceInfo, TraceLocation, TraceState
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sklearn.linear_model import LogisticRegression

LONG_METRIC = "loss_of_each_batch"
LONG_METRIC_POINTS = 100_000
BATCH = 1_000
METRICS = [f"quality/metric_{n:02}" for n in range(50)]
MODEL, PROMPT = "churn-classifier", "greeting"
QUESTION, TRIED_OUT = "Where is my parcel?", "Dear customer, it is on its way."


@dataclass
class Data:
    """The ids of what was written."""

    churn: str
    pictures: str
    parent: str
    children: list[str]
    files: str
    model: str
    talks: str
    prompts: str


def write(url: str, database: str, video: bytes) -> Data:
    """Logs everything to a server, and to its database what has no other way yet; answers where it is."""
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    # Of an experiment without a kind the UI shows nothing but runs until it has found out by itself.
    kind = {"mlflow.experimentKind": "custom_model_development"}
    churn = mlflow.create_experiment("Churn of customers", tags={"team": "growth", **kind})
    pictures = mlflow.create_experiment("Pictures and files", tags={"mlflow.note.content": "All that can be shown."})
    parent, children = _nested_runs(churn)
    files = _run_with_files(pictures, video)
    model = _logged_models(churn)
    _registry(model, children[0])
    talks = mlflow.create_experiment("Talks with customers")
    _trace(database, talks)
    prompts = mlflow.create_experiment("Prompts", tags=kind)
    _prompt_tried_out(url, prompts)
    return Data(churn, pictures, parent, children, files, model, talks, prompts)


def _nested_runs(experiment: str) -> tuple[str, list[str]]:
    client = mlflow.MlflowClient()
    frame = pandas.DataFrame({"age": [23, 41, 67, 35], "spent": [12.5, 99.0, 3.25, 40.0], "left": [0, 1, 1, 0]})
    dataset = mlflow.data.from_pandas(frame, source="https://data.example/customers.csv", name="customers", targets="left")
    children = []
    with mlflow.start_run(experiment_id=experiment, run_name="search of parameters", description="**Three** rates") as parent:
        mlflow.log_input(dataset, context="training")
        for n, rate in enumerate((0.01, 0.1, 1.0)):
            with mlflow.start_run(experiment_id=experiment, run_name=f"rate {rate}", nested=True) as child:
                children.append(child.info.run_id)
                mlflow.log_input(dataset, context="validation", tags={"split": str(n)})
                mlflow.log_params({"rate": rate, "solver": "lbfgs" if n else "saga", "depth": 3 + n})
                mlflow.set_tag("stage of work", "done" if n else "draft")
                steps = [
                    Metric(name, math.exp(-step * rate) * (1 + index / 50) + n, 1_700_000_000_000 + 1000 * step, step)
                    for step in range(20)
                    for index, name in enumerate(METRICS)
                ]
                client.log_batch(child.info.run_id, metrics=steps)
    for start in range(0, LONG_METRIC_POINTS, BATCH):
        points = range(start, start + BATCH)
        batch = [Metric(LONG_METRIC, 1 / (1 + step / 500) + math.sin(step) / 50, 1_700_000_000_000 + step, step) for step in points]
        client.log_batch(children[0], metrics=batch, synchronous=True)
    return parent.info.run_id, children


def _run_with_files(experiment: str, video: bytes) -> str:
    shades = numpy.linspace(0, 255, 64 * 64, dtype=numpy.uint8).reshape(64, 64)
    place = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [13.4, 52.5]}}
    figure, axes = matplotlib.pyplot.subplots()
    axes.plot([1, 4, 9])
    with mlflow.start_run(experiment_id=experiment, run_name="all kinds of files") as run:
        for step in range(3):
            mlflow.log_image(numpy.roll(shades, 20 * step), key="shades", step=step)
        mlflow.log_figure(figure, "show/figure.png")
        mlflow.log_table({"question": ["What is it?", "And this?"], "answer": ["A table", "Its second row"]}, "show/table.json")
        mlflow.log_dict({"key": [1, 2, {"deep": None}]}, "show/values.json")
        mlflow.log_dict({"key": [1, 2]}, "show/values.yaml")
        for name, text in {
            "plain.txt": "A line of plain text.\n",
            "words.md": "# A title\n\nAnd *text* below it.\n",
            "page.html": "<h1>A page</h1><script>document.body.append('its script ran on ' + origin)</script>",
            "rows.csv": "name,count\napples,3\npears,5\n",
            "drawing.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><circle cx="20" cy="20" r="15" fill="teal"/></svg>',
            "place.geojson": json.dumps(place),
            "code.py": "print('code')\n",
        }.items():
            mlflow.log_text(text, f"show/{name}")
        with tempfile.TemporaryDirectory() as folder:
            for name, content in {"sheet.pdf": _pdf(), "tone.wav": _tone(), "clip.webm": video, "raw.bin": bytes(range(256))}.items():
                path = Path(folder) / name
                path.write_bytes(content)
                mlflow.log_artifact(str(path), "show")
    matplotlib.pyplot.close(figure)
    return run.info.run_id


def _logged_models(experiment: str) -> str:
    with mlflow.start_run(experiment_id=experiment, run_name="final model"):
        model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        info = mlflow.sklearn.log_model(
            model, name="classifier", input_example=numpy.array([[1.5]]), params={"solver": "lbfgs"}, pip_requirements=["scikit-learn"]
        )
        mlflow.log_metric("accuracy", 0.75, model_id=info.model_id)
    mlflow.create_external_model(name="at a provider", experiment_id=experiment, params={"temperature": "0.5"})
    return str(info.model_id)


def _registry(model: str, run: str) -> None:
    client = mlflow.MlflowClient()
    client.create_registered_model(MODEL, tags={"owner": "growth"}, description="Who *leaves*.")
    for _ in range(2):
        client.create_model_version(MODEL, source=f"models:/{model}", run_id=run, model_id=model)
    client.set_registered_model_alias(MODEL, "champion", "1")
    client.transition_model_version_stage(MODEL, "1", "Staging")
    mlflow.genai.register_prompt(PROMPT, "Hello {{name}}!", commit_message="First words")
    mlflow.genai.register_prompt(PROMPT, "Good morning, {{name}}.", commit_message="Kinder")
    mlflow.genai.set_prompt_alias(PROMPT, alias="live", version=1)


def _trace(database: str, experiment: str) -> None:
    trace = TraceInfo(
        trace_id="tr-of-a-talk",
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=int(1000 * time.time()),
        execution_duration=1234,
        state=TraceState.OK,
        request_preview=json.dumps({"question": QUESTION}),
        response_preview="On its way.",
        tags={"mlflow.traceName": "answer", "team": "support"},
    )
    SqlAlchemyStore(database, "mlflow-artifacts:/").start_trace(trace)


def _prompt_tried_out(url: str, experiment: str) -> None:
    """What the UI sends at the end of trying out a prompt, which it offers only where there are models."""
    body = {
        **{"experiment_id": experiment, "run_name": "a prompt tried out", "mlflow_version": "2.7.1", "model_route": "chat"},
        **{"prompt_template": "Answer: {{question}}", "prompt_parameters": [{"key": "question", "value": QUESTION}]},
        **{"model_parameters": [{"key": "temperature", "value": 0.01}], "model_input": f"Answer: {QUESTION}", "model_output": TRIED_OUT},
        "model_output_parameters": [{"key": "tokens", "value": 12}],
    }
    target = f"{url}/ajax-api/2.0/mlflow/runs/create-promptlab-run"
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(target, json.dumps(body).encode(), headers)) as answer:
        assert json.load(answer)["run"]["info"]["status"] == "FINISHED"


def _tone() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"".join(int(9000 * math.sin(n / 3)).to_bytes(2, "little", signed=True) for n in range(4000)))
    return file.getvalue()


def _pdf() -> bytes:
    text = b"BT /F1 24 Tf 20 60 Td (A sheet) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end
