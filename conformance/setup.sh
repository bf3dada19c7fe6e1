#!/bin/sh
# Makes what the tests need: `.venv` in the repository root with the pinned Python packages and MLflow's wheel, PostgreSQL's server
# programs, PgBouncer, nginx, Chromium, and Azurite in azurite/node_modules. Doing it again when all is there takes less than a second.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
venv="$root/.venv"
stamp="$venv/.conformance-requirements"
wheels="$venv/wheels"
azurite="$here/azurite"

# Only what is missing: Debian's npm cannot be installed beside a Node that brought its own.
missing=""
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v chromium >/dev/null 2>&1 || [ -n "${CHROMIUM:-}" ] || missing="$missing chromium"
{ command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; } || missing="$missing npm"

if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "setup.sh: not found:$missing (PostgreSQL's initdb may be on PATH or in /usr/lib/postgresql/*/bin)." >&2
        echo "setup.sh: install them (Debian: apt-get install$missing) and run this again." >&2
        exit 1
    fi
    apt-get update
    # shellcheck disable=SC2086 # several words
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

if ! cmp -s "$here/requirements.txt" "$stamp"; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi

# The file that `ferroflow ui install` takes the web UI out of.
if [ ! -f "$wheels/mlflow-3.7.0-py3-none-any.whl" ]; then
    "$venv/bin/python" -m pip download --disable-pip-version-check --quiet --no-deps --dest "$wheels" mlflow==3.7.0
fi

# npm writes this file when it is done, so it is there, and as new as the lock file, only after a complete installation.
installed="$azurite/node_modules/.package-lock.json"
if [ ! -f "$installed" ] || [ "$azurite/package-lock.json" -nt "$installed" ]; then
    npm ci --prefix "$azurite" --no-audit --no-fund --ignore-scripts --loglevel=error
    touch "$installed"
fi
echo "setup.sh: ready; run $venv/bin/python -m pytest $here"
