#!/bin/sh
# Installs what the chart's tests need: Python packages in .venv-chart, and checkov, which brings many that clash with them, in
# .venv-checkov.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")

environment() {
    venv="$root/$1" requirements="$here/$2"
    cmp -s "$requirements" "$venv/.requirements" && return
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet -r "$requirements"
    cp "$requirements" "$venv/.requirements"
}

environment .venv-chart requirements.txt
environment .venv-checkov requirements-checkov.txt
