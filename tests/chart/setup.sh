#!/bin/sh
# Installs what the chart's tests need: Python packages in .venv-chart; checkov, which brings many that clash with them, in .venv-checkov;
# validators of custom resources by npm.
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

# npm writes this file when it is done, so it is there, and as new as the lock file, only after a complete installation.
crds="$here/crds"
installed="$crds/node_modules/.package-lock.json"
if [ ! -f "$installed" ] || [ "$crds/package-lock.json" -nt "$installed" ]; then
    command -v npm >/dev/null 2>&1 || { echo "setup.sh: npm is not found; conformance/setup.sh installs it." >&2; exit 1; }
    npm ci --prefix "$crds" --no-audit --no-fund --ignore-scripts --loglevel=error
    touch "$installed"
fi
