"""What people do in the UI, by clicking."""

from __future__ import annotations

import re
from collections.abc import Callable

import mlflow
from playwright.sync_api import expect

from browser.data import LONG_METRIC, MODEL, PROMPT, Data
from browser.watch import Visitor

Job = Callable[[Visitor, Data], None]

# For each file of the run: a selector of what its preview has, and the text in it.
PREVIEWS: dict[str, tuple[str, str]] = {
    "plain.txt": ("body", "A line of plain text."),
    "values.json": ("body", '"deep": null'),
    "values.yaml": ("body", "key:"),
    "code.py": ("body", "print("),
    "words.md": (".language-md, code, pre", "And *text* below it."),
    "rows.csv": ("body", "apples"),
    "table.json": ("body", "Its second row"),
    "figure.png": ("img[src^=blob]", ""),
    "drawing.svg": ("img[src^=blob]", ""),
    "page.html": ("iframe.mlflow-html-iframe", ""),
    "sheet.pdf": ("canvas", ""),
    "place.geojson": (".leaflet-container", ""),
    "tone.wav": ("[class*=audio], #waveform, audio", ""),
    "clip.webm": ("video[src^=blob]", ""),
    "raw.bin": ("body", "Select a file to preview"),
}


def preview(visitor: Visitor, data: Data, name: str) -> None:
    """Opens a file of the run."""
    selector, text = PREVIEWS[name]
    visitor.open(f"#/experiments/{data.pictures}/runs/{data.files}/artifactPath/show/{name}")
    found = visitor.page.locator(selector).first
    expect(found).to_be_visible()
    expect(found).to_contain_text(text)
    visitor.settle()
    visitor.picture(f"preview-{name}")


def create_rename_delete_and_restore_an_experiment(visitor: Visitor, data: Data) -> None:
    page = visitor.page
    visitor.open("#/experiments")
    page.get_by_test_id("create-experiment-button").click()
    page.get_by_placeholder("Input an experiment name").fill("Made by clicking")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Made by clicking")).to_be_visible()
    visitor.settle()
    _close_hints(visitor)

    page.get_by_test_id("overflow-menu-trigger").click()
    page.get_by_test_id("rename").click()
    dialog = page.get_by_role("dialog").filter(has_text="Rename")
    dialog.get_by_role("textbox").fill("Renamed by clicking")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Renamed by clicking")).to_be_visible()
    visitor.settle()

    page.get_by_test_id("overflow-menu-trigger").click()
    page.get_by_test_id("delete").click()
    page.get_by_role("dialog").filter(has_text="Delete").get_by_role("button", name="Delete").click()
    visitor.settle()
    experiment = mlflow.get_experiment_by_name("Renamed by clicking")
    assert experiment is not None and experiment.lifecycle_stage == "deleted"
    visitor.open("#/experiments")
    expect(page.get_by_text("Churn of customers")).to_be_visible()
    expect(page.get_by_text("Renamed by clicking")).to_have_count(0)

    # The UI has no button for it.
    mlflow.MlflowClient().restore_experiment(experiment.experiment_id)
    visitor.open("#/experiments")
    expect(page.get_by_text("Renamed by clicking")).to_be_visible()


TRACKING: list[Job] = [create_rename_delete_and_restore_an_experiment]
REGISTRY: list[Job] = []


def _close_hints(visitor: Visitor) -> None:
    """The UI explains itself in a bubble over what is to be clicked."""
    hint = visitor.component("experiment_kind_inference_popover.dismiss")
    if hint.count():
        hint.click()
