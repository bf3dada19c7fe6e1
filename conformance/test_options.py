"""`docs/options.md` is true: its options are those of `ferroflow server --help`, and those of `mlflow server` are among them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

import click
import pytest

from servers import REPOSITORY, ferroflow_binary

# Not a line of help that happens to begin with an option.
OPTION = re.compile(r"^ {2,6}(?:-(?P<short>\w), )?--(?P<name>[\w-]+)", re.MULTILINE)
BOTH_SIDES = re.compile(r"\[(env|default): (.*?)\](?= |$)")


@dataclass(frozen=True)
class Option:
    """What is said of an option. The default is empty where nothing is said."""

    name: str
    short: str
    variable: str
    default: str


@pytest.fixture(scope="module")
def page() -> dict[str, Option]:
    """The rows of the page."""
    rows = [
        [cell.replace("`", "").strip() for cell in line.strip("|").split("|")]
        for line in (REPOSITORY / "docs" / "options.md").read_text().splitlines()
        if line.startswith("| `--")
    ]
    assert all(len(row) == 5 and row[3] and row[4] for row in rows), "a row has an option, a variable, a default and two texts"
    options = [(*row[0].removeprefix("--").partition(", -"), row) for row in rows]
    found = {name: Option(name, short, row[1], row[2]) for name, _, short, row in options}
    assert len(found) == len(rows), "an option is on the page twice"
    return found


def test_the_page_has_the_options_of_the_help(page: dict[str, Option]) -> None:
    helped = _help()
    assert list(page) == list(helped), "the same options, in the same order"
    for name, option in helped.items():
        on_page = page[name]
        assert (on_page.short, on_page.variable) == (option.short, option.variable), name
        assert option.default in ("", on_page.default), name


def test_the_page_has_the_options_of_mlflow(page: dict[str, Option]) -> None:
    from mlflow.cli import server

    options = [parameter for parameter in server.params if isinstance(parameter, click.Option)]
    assert len(options) > 15
    for option in options:
        for text in (*option.opts, *option.secondary_opts):
            name = text.removeprefix("--")
            if text.startswith("--"):
                assert name in page, f"mlflow server has {text}"
                variable = option.envvar if text in option.opts else None
                assert page[name].variable == (variable or ""), text


def _help() -> dict[str, Option]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}
    command = [str(ferroflow_binary()), "server", "--help"]
    text = subprocess.run(command, env=clean, capture_output=True, text=True, check=True).stdout.split("\nExamples:")[0]
    starts = list(OPTION.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    found = {}
    for start, end in zip(starts, ends):
        said = dict(BOTH_SIDES.findall(" ".join(text[start.end() : end].split())))
        found[start["name"]] = Option(start["name"], start["short"] or "", said.get("env", ""), said.get("default", ""))
    assert len(found) > 20
    return found
