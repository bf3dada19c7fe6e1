#!/bin/sh
# Makes what the conformance tests need: `.venv` in the repository root with the pinned Python packages, and PostgreSQL's
# server programs. Doing it again when all is there takes less than a second.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
venv="$root/.venv"
stamp="$venv/.conformance-requirements"

have_initdb() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

if ! have_initdb; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "setup.sh: PostgreSQL's initdb was not found, neither on PATH nor in /usr/lib/postgresql/*/bin." >&2
        echo "setup.sh: install the server package (Debian: apt-get install postgresql) and run this again." >&2
        exit 1
    fi
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
fi

if ! cmp -s "$here/requirements.txt" "$stamp"; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi
echo "setup.sh: ready; run $venv/bin/python -m pytest $here"
