"""Every page of the UI: the patterns in its build, and an address for each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

from browser.data import LONG_METRIC, MODEL, PROMPT, QUESTION, TRIED_OUT, Data

# How the build writes a page's address; the build is one known byte for byte.
PATTERN = re.compile(r'return\(0,\w+\.\w+\)\("(/[^"]*)"\)')
# Leads nowhere in the UI: its page is a dialog now.
WITHOUT_PAGE = {"/createModel"}


def patterns(build: Path) -> set[str]:
    """All patterns of a build."""
    texts = (path.read_text() for path in (build / "static" / "js").glob("*.js"))
    return {pattern for text in texts for pattern in PATTERN.findall(text)} - WITHOUT_PAGE


def addresses(data: Data) -> dict[str, dict[str, str]]:
    """For each pattern the addresses to visit, each with a text that must be there then."""
    experiment, run, files = f"/experiments/{data.churn}", data.children[0], f"/experiments/{data.pictures}/runs/{data.files}"
    children, churn = _list(data.children), _list([data.churn])
    metric = f"runs={_list([run])}&experiments={churn}&metric={quote(json.dumps(LONG_METRIC))}"
    plot = "plot_metric_keys=" + _list([LONG_METRIC]) + "&plot_layout={}&x_axis=step&y_axis_scale=log&line_smoothness=1&show_point=false"
    found = {
        "/": {"/": "Welcome"},
        "/experiments": {"/experiments": "Pictures and files"},
        "/experiments/:experimentId": {experiment: "final model"},
        "/experiments/:experimentId/:tabName": {f"{experiment}/nonsense": "Page Not Found"},
        "/experiments/:experimentId/s": {f"{experiment}/s": "Page Not Found"},
        "/experiments/:experimentId/runs": {
            f"{experiment}/runs": "final model",
            f"{experiment}/runs?compareRunsMode=CHART": "Model metrics",
            f"{experiment}/runs?compareRunsMode=ARTIFACT": "No evaluation tables logged",
            f"/experiments/{data.prompts}/runs?compareRunsMode=ARTIFACT": TRIED_OUT,
        },
        "/experiments/:experimentId/traces": {f"{experiment}/traces": "Time Range", f"/experiments/{data.talks}/traces": QUESTION},
        "/experiments/:experimentId/chat-sessions": {f"{experiment}/chat-sessions": "Last 7 days"},
        "/experiments/:experimentId/chat-sessions/:sessionId": {f"{experiment}/chat-sessions/none": "Session"},
        "/experiments/:experimentId/evaluation-runs": {f"{experiment}/evaluation-runs": "rate 1.0"},
        "/experiments/:experimentId/datasets": {f"{experiment}/datasets": "Create dataset"},
        "/experiments/:experimentId/judges": {f"{experiment}/judges": "judges"},
        "/experiments/:experimentId/models": {f"{experiment}/models": "at a provider"},
        "/experiments/:experimentId/models/:loggedModelId": {f"{experiment}/models/{data.model}": "classifier"},
        "/experiments/:experimentId/models/:loggedModelId/:tabName": {
            f"{experiment}/models/{data.model}/traces": "classifier",
            f"{experiment}/models/{data.model}/artifacts": "MLmodel",
        },
        "/experiments/:experimentId/runs/:runUuid": {f"{experiment}/runs/{run}": "saga"},
        "/experiments/:experimentId/runs/:runUuid/*": {
            f"{experiment}/runs/{run}/model-metrics": "quality/metric_00",
            f"{experiment}/runs/{run}/system-metrics": "rate 0.01",
            f"{experiment}/runs/{run}/traces": "rate 0.01",
            f"{files}/artifacts": "show",
        },
        "/experiments/:experimentId/runs/:runUuid/artifactPath/*": {f"{files}/artifactPath/show/table.json": "all kinds of files"},
        "/runs/:runUuid": {f"/runs/{run}": "rate 0.01"},
        "/compare-runs": {f"/compare-runs?runs={children}&experiments={churn}": "Comparing 3 Runs"},
        "/compare-experiments": {f"/compare-experiments/s?experiments={_list([data.churn, data.pictures])}": "final model"},
        "/compare-experiments/:searchString": {},
        "/metric/*": {f"/metric/{LONG_METRIC}?{metric}&{plot}": LONG_METRIC},
        "/models": {"/models": MODEL},
        "/prompts": {"/prompts": PROMPT},
        "/models/:modelName": {f"/models/{MODEL}": "Version 1"},
        "/models/:modelName/versions/:version": {f"/models/{MODEL}/versions/1": "Version 1"},
        "/models/:modelName/:subpage": {f"/models/{MODEL}/nonsense": "Home"},
        "/models/:modelName/:subpage/:name": {f"/models/{MODEL}/nonsense/x": "Home"},
        "/compare-model-versions": {
            f"/compare-model-versions?name={quote(json.dumps(MODEL))}&runs={quote(json.dumps({'1': run, '2': run}))}": "Comparing 2 Versions"
        },
        "/prompts/:promptName": {f"/prompts/{PROMPT}": "Good morning"},
        "/experiments/:experimentId/prompts": {f"{experiment}/prompts": "Create prompt"},
        "/experiments/:experimentId/prompts/:promptName": {f"{experiment}/prompts/{PROMPT}": "Good morning"},
    }
    # The second is another way to write the first.
    found["/compare-experiments/:searchString"] = found["/compare-experiments"]
    return found


def _list(values: list[str]) -> str:
    return quote(json.dumps(values))
