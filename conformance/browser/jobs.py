"""What people do in the UI, by clicking."""

from __future__ import annotations

from collections.abc import Callable

import mlflow
from playwright.sync_api import Locator, expect

from browser.data import LONG_METRIC, LONG_METRIC_POINTS, MODEL, PROMPT, Data
from browser.watch import LONGEST_PAGE_S, Visitor

Job = Callable[[Visitor, Data], None]

# For each file of the run: a selector of what its preview has, and the text in it.
PREVIEWS: dict[str, tuple[str, str]] = {
    "plain.txt": ("body", "A line of plain text."),
    "values.json": ("body", '"deep": null'),
    "values.yaml": ("body", "key:"),
    "code.py": ("body", "print("),
    "words.md": ("code, pre", "And *text* below it."),
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


def a_page_among_the_artifacts_has_no_origin(visitor: Visitor, data: Data) -> None:
    """Its scripts run, as they should in a preview, but not as this server's."""
    visitor.open(f"#/experiments/{data.pictures}/runs/{data.files}/artifactPath/show/page.html")
    frame = visitor.page.frame_locator("iframe.mlflow-html-iframe")
    expect(frame.locator("body")).to_contain_text("its script ran on null")


def an_artifact_opened_by_its_address_is_a_download(visitor: Visitor, data: Data) -> None:
    """Nothing of it is shown, whatever its type."""
    for name in ("page.html", "drawing.svg", "sheet.pdf"):
        address = f"{visitor.url}/get-artifact?run_id={data.files}&path=show/{name}"
        with visitor.page.expect_download() as download:
            visitor.page.evaluate("address => { location.href = address }", address)
        assert download.value.suggested_filename == name
        download.value.delete()


def create_rename_delete_and_restore_an_experiment(visitor: Visitor, data: Data) -> None:
    """The UI has no button for the last, so a client does it."""
    page = visitor.page
    visitor.open("#/experiments")
    page.get_by_test_id("create-experiment-button").click()
    page.get_by_placeholder("Input an experiment name").fill("Made by clicking")
    _in_dialog(visitor, "Create")
    _in_dialog(visitor, "Confirm")
    expect(page.get_by_text("Made by clicking")).to_be_visible()

    page.get_by_test_id("overflow-menu-trigger").click()
    page.get_by_test_id("rename").click()
    name = page.get_by_role("dialog").filter(has_text="Rename Experiment").get_by_role("textbox")
    expect(name).to_have_value("Made by clicking")
    name.fill("Renamed by clicking")
    # Only after it has asked whether the name is free.
    with page.expect_response("**/experiments/update"):
        _in_dialog(visitor, "Save")
    experiment = mlflow.get_experiment_by_name("Renamed by clicking")
    assert experiment is not None
    # The page goes on with the old name until it is loaded again.
    visitor.open(f"#/experiments/{experiment.experiment_id}/runs")
    expect(page.get_by_role("heading", name="Renamed by clicking")).to_be_visible()

    page.get_by_test_id("overflow-menu-trigger").click()
    page.get_by_test_id("delete").click()
    _in_dialog(visitor, "Delete")
    assert mlflow.get_experiment(experiment.experiment_id).lifecycle_stage == "deleted"
    visitor.open("#/experiments")
    expect(page.get_by_text("Churn of customers")).to_be_visible()
    expect(page.get_by_text("Renamed by clicking")).to_have_count(0)

    mlflow.MlflowClient().restore_experiment(experiment.experiment_id)
    visitor.open("#/experiments")
    expect(page.get_by_text("Renamed by clicking")).to_be_visible()


def an_experiment_without_a_kind_shows_its_header(visitor: Visitor, data: Data) -> None:
    """The UI looks whether there are traces before it shows the header, and looks again for long where it gets no answer."""
    answers = []
    visitor.page.on("response", lambda response: answers.append((response.url, response.status)))
    visitor.open(f"#/experiments/{data.talks}")
    expect(visitor.page.get_by_role("heading", name="Talks with customers")).to_be_visible()
    visitor.picture("experiment-without-a-kind")
    assert [status for url, status in answers if "/2.0/mlflow/traces?" in url] == [200]


def the_kind_of_an_experiment_is_found_out_and_confirmed(visitor: Visitor, data: Data) -> None:
    """The bubble that stands over an experiment without one."""
    visitor.open(f"#/experiments/{data.pictures}")
    visitor.component("experiment_kind_inference_popover.confirm").click()
    visitor.settle()
    assert mlflow.get_experiment(data.pictures).tags["mlflow.experimentKind"] == "custom_model_development"


def sort_runs(visitor: Visitor, data: Data) -> None:
    """By their names, both ways."""
    page = visitor.page
    _open_runs(visitor, data)
    for direction, first in (("asc", "final model"), ("desc", "search")):
        for choice in ("Run Name", direction):
            page.get_by_test_id("sort-select-dropdown").click()
            page.get_by_test_id(f"sort-select-{choice}").click()
            page.keyboard.press("Escape")
            visitor.settle()
        expect(_row(visitor, 0)).to_contain_text(first)
    visitor.picture("runs-sorted")


def filter_runs(visitor: Visitor, data: Data) -> None:
    """In the search language. Of a run that is found within another both are shown."""
    page = visitor.page
    _open_runs(visitor, data)
    _search(visitor, "metrics.accuracy > 0.7")
    expect(_row(visitor, 0)).to_contain_text("final model")
    expect(page.locator("body")).to_contain_text("1 matching run")
    _search(visitor, "params.solver = 'lbfgs' and metrics.`quality/metric_00` > 1")
    expect(page.locator("body")).to_contain_text("3 matching runs")
    _expand(visitor)
    expect(_row(visitor, 1)).to_contain_text("rate 1.0")
    visitor.picture("runs-filtered")


def group_runs(visitor: Visitor, data: Data) -> None:
    """By the values of a param."""
    page = visitor.page
    _open_runs(visitor, data)
    _search(visitor, "params.depth != '0'")
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("menuitemcheckbox").filter(has_text="solver").first.click()
    page.keyboard.press("Escape")
    visitor.settle()
    visitor.picture("runs-grouped")
    expect(page.locator(".ag-pinned-left-cols-container")).to_contain_text("Group: lbfgs2")
    expect(page.locator(".ag-pinned-left-cols-container")).to_contain_text("Group: saga1")


def compare_runs(visitor: Visitor, data: Data) -> None:
    """In tables and in each plot."""
    page = visitor.page
    _open_runs(visitor, data)
    _expand(visitor)
    page.get_by_label("Select all runs").click()
    page.get_by_test_id("runs-compare-button").click()
    expect(page.locator("body")).to_contain_text("Comparing 5 Runs")
    for tab in ("Scatter Plot", "Box Plot", "Contour Plot", "Parallel Coordinates Plot"):
        page.get_by_role("tab", name=tab).click()
        visitor.settle()
    visitor.picture("runs-compared")


def charts_in_linear_and_log_scale(visitor: Visitor, data: Data) -> None:
    """Of the metric with 100,000 points."""
    page = visitor.page
    visitor.open(f"#/experiments/{data.churn}/runs/{data.children[0]}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill(LONG_METRIC)
    plot = page.locator(".js-plotly-plot")
    # It is asked for only now, and the official server needs as long for it as for a page.
    expect(plot).to_have_count(1, timeout=1000 * LONGEST_PAGE_S)
    visitor.settle()
    for scale in ("linear", "log"):
        visitor.picture(f"chart-{scale}")
        assert plot.evaluate("plot => plot._fullLayout.yaxis.type") == scale
        last = plot.evaluate("plot => Math.max(...plot.data.map(line => Math.max(...line.x)))")
        assert last == LONG_METRIC_POINTS - 1, "the whole history"
        if scale == "linear":
            page.get_by_test_id("experiment-view-compare-runs-card-menu").click()
            page.get_by_test_id("experiment-view-compare-runs-card-edit").click()
            page.get_by_role("switch", name="y-axis-log").click()
            page.get_by_test_id("experiment-view-compare-runs-chart-modal-confirm").click()
            visitor.settle()


def delete_and_restore_a_run(visitor: Visitor, data: Data) -> None:
    """From the list, and from that of the deleted ones."""
    page, client = visitor.page, mlflow.MlflowClient()
    _open_runs(visitor, data)
    _search(visitor, "attributes.run_name = 'final model'")
    page.get_by_label("Select all runs").click()
    page.get_by_test_id("runs-delete-button").click()
    _in_dialog(visitor, "Delete selected")
    expect(page.locator("body")).to_contain_text("0 matching runs")
    page.get_by_test_id("lifecycle-filter").click()
    page.get_by_role("option", name="Deleted").click()
    visitor.settle()
    expect(_row(visitor, 0)).to_contain_text("final model")
    page.get_by_label("Select all runs").click()
    page.get_by_test_id("runs-restore-button").click()
    _in_dialog(visitor, "Restore")
    (run,) = client.search_runs([data.churn], "attributes.run_name = 'final model'")
    assert run.info.lifecycle_stage == "active"


def rename_tag_and_describe_a_run(visitor: Visitor, data: Data) -> None:
    """On its page."""
    page = visitor.page
    visitor.open(f"#/experiments/{data.churn}/runs/{data.parent}")
    page.get_by_test_id("overflow-menu-trigger").click()
    page.get_by_test_id("overflow-rename-button").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("search, renamed")
    _in_dialog(visitor, "Save")
    expect(page.get_by_role("heading", name="search, renamed")).to_be_visible()

    page.get_by_label("Edit description").click()
    page.get_by_test_id("text-area").fill("Described **by clicking**")
    page.get_by_test_id("editable-note-save-button").click()
    expect(page.locator("strong", has_text="by clicking")).to_be_visible()

    visitor.component("overview.tags.edit_button").or_(page.get_by_role("button", name="Add tags")).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill("reviewed")
    page.keyboard.press("Enter")
    dialog.get_by_label("Value").fill("yes")
    dialog.get_by_label("Add tag").click()
    _in_dialog(visitor, "Save tags")
    tags = mlflow.get_run(data.parent).data.tags
    assert (tags["reviewed"], tags["mlflow.note.content"]) == ("yes", "Described **by clicking**")
    assert tags["mlflow.runName"] == "search, renamed"


def download_an_artifact(visitor: Visitor, data: Data) -> None:
    """By the button beside its preview."""
    visitor.open(f"#/experiments/{data.pictures}/runs/{data.files}/artifactPath/show/rows.csv")
    with visitor.page.expect_download() as download:
        visitor.component("artifactview.tsx_337").click()
    assert download.value.path().read_text() == "name,count\napples,3\npears,5\n"


def register_a_model(visitor: Visitor, data: Data) -> None:
    """A logged model, under a new name."""
    page = visitor.page
    visitor.open(f"#/experiments/{data.churn}/models/{data.model}")
    page.get_by_role("button", name="Register model").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").click()
    page.get_by_text("Create New Model").last.click()
    dialog.get_by_placeholder("Input a model name").fill("Registered by clicking")
    page.get_by_test_id("confirm-register-model").click()
    visitor.settle()
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'Registered by clicking'")
    assert version.version in ("1", 1)


def give_a_version_an_alias(visitor: Visitor, data: Data) -> None:
    """On the page of its model."""
    page = visitor.page
    visitor.open(f"#/models/{MODEL}")
    visitor.component("modelversiontablealiasescell.tsx_30").first.click()
    page.get_by_role("dialog").get_by_role("combobox").fill("challenger")
    page.keyboard.press("Enter")
    _in_dialog(visitor, "Save aliases")
    assert mlflow.MlflowClient().get_model_version_by_alias(MODEL, "challenger").version in ("2", 2)


def move_a_versions_stage(visitor: Visitor, data: Data) -> None:
    """In the older of the UI's two ways to show models, which has stages."""
    page = visitor.page
    visitor.open(f"#/models/{MODEL}/versions/1")
    page.get_by_role("switch", name="New model registry UI").click()
    confirm = page.get_by_role("dialog").get_by_role("button", name="Disable")
    if confirm.count():
        confirm.click()
    visitor.settle()
    page.locator("[class*=stage-transition], .ant-dropdown-trigger").filter(has_text="Staging").first.click()
    page.get_by_text("Transition to").filter(has_text="Production").click()
    page.get_by_role("dialog").get_by_role("button").last.click()
    visitor.settle()
    assert mlflow.MlflowClient().get_model_version(MODEL, "1").current_stage == "Production"


def edit_a_prompt(visitor: Visitor, data: Data) -> None:
    """Which makes a new version of it."""
    page = visitor.page
    visitor.open(f"#/prompts/{PROMPT}")
    page.get_by_role("button", name="Create prompt version").click()
    visitor.component("mlflow.prompts.create.content").fill("Good evening, {{name}}.")
    visitor.component("mlflow.prompts.create.commit_message").fill("Later")
    visitor.component("mlflow.prompts.create.modal.footer.ok").click()
    expect(page.locator("body")).to_contain_text("Good evening")
    visitor.settle()
    prompt = mlflow.genai.load_prompt(f"prompts:/{PROMPT}/3")
    assert (prompt.template, prompt.commit_message) == ("Good evening, {{name}}.", "Later")


TRACKING: list[Job] = [
    a_page_among_the_artifacts_has_no_origin,
    an_artifact_opened_by_its_address_is_a_download,
    create_rename_delete_and_restore_an_experiment,
    an_experiment_without_a_kind_shows_its_header,
    the_kind_of_an_experiment_is_found_out_and_confirmed,
    sort_runs,
    filter_runs,
    group_runs,
    compare_runs,
    charts_in_linear_and_log_scale,
    delete_and_restore_a_run,
    rename_tag_and_describe_a_run,
    download_an_artifact,
]
REGISTRY: list[Job] = [register_a_model, give_a_version_an_alias, move_a_versions_stage, edit_a_prompt]


def _open_runs(visitor: Visitor, data: Data) -> None:
    # The UI keeps what was chosen the last time.
    visitor.page.evaluate("localStorage.clear()")
    visitor.open(f"#/experiments/{data.churn}/runs")


def _search(visitor: Visitor, text: str) -> None:
    box = visitor.page.get_by_test_id("search-box")
    box.fill(text)
    box.press("Enter")
    visitor.settle()


def _row(visitor: Visitor, number: int) -> Locator:
    """A row of the list of runs: the part of it that has the name."""
    return visitor.page.locator(f'.ag-pinned-left-cols-container .ag-row[row-index="{number}"]')


def _expand(visitor: Visitor) -> None:
    """Shows the runs within a run."""
    visitor.component("runnamecellrenderer.tsx_46").first.click()
    visitor.settle()


def _in_dialog(visitor: Visitor, button: str) -> None:
    """Clicks this button of the dialog, and waits for what it does. The dialog goes when that is done."""
    found = visitor.page.get_by_role("dialog").get_by_role("button", name=button, exact=True).last
    found.click()
    expect(found).to_be_hidden()
    visitor.settle()
