#!/usr/bin/env bash
# Makes the image without an engine and without a registry: target/image/ferroflow.tar, which `docker load`, `podman load` and
# `ctr images import` read, with the list of what it was made of (CycloneDX) beside it, ferroflow.cdx.json.
#
#   image/build.sh           the binary on nothing else
#   image/build.sh --ui      with MLflow's web UI as a layer of its own: ferroflow-ui.tar
#   image/build.sh --root    the image's files only, in target/image/root, for the Containerfile
#
# The target is musl, for a binary that needs no file but itself. Its C parts (SQLite, ring) need Debian's musl-tools.
set -euo pipefail
cd "$(dirname "$0")/.."
only_root="" ui=""
case "${1:-}" in
    --root) only_root=yes ;;
    --ui) ui=yes ;;
    "") ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

target="$(uname -m)-unknown-linux-musl"
made=target/image
root=$made/root
# Mozilla's, as Debian packages them, and not /etc/ssl/certs: what this machine trusts besides is nobody else's business.
authorities=/usr/share/ca-certificates/mozilla

missing=""
command -v musl-gcc >/dev/null || missing="$missing musl-tools"
[ -d "$authorities" ] || missing="$missing ca-certificates"
command -v python3 >/dev/null || missing="$missing python3"
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "build.sh: not found:$missing; install them (Debian: apt-get install$missing) and run this again." >&2
        exit 1
    fi
    apt-get -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086 # several words
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
fi
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

cargo build --release --locked --target "$target" -p ferroflow

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/home/ferroflow" "$root/tmp"
cp "target/$target/release/ferroflow" "$root/usr/bin/ferroflow"
# For charts and scripts that say `mlflow server`.
ln -s ferroflow "$root/usr/bin/mlflow"
LC_ALL=C cat "$authorities"/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
echo 'ferroflow:x:1001:1001::/home/ferroflow:/nonexistent' >"$root/etc/passwd"
echo 'ferroflow:x:1001:' >"$root/etc/group"
[ -z "$only_root" ] || exit 0

version=$(python3 image/sbom.py --target "$target" --authorities "$authorities" "$made/ferroflow.cdx.json")
settings=(
    --entrypoint /usr/bin/ferroflow --user 1001:1001 --directory /home/ferroflow --port 5000
    --env HOME=/home/ferroflow --env FERROFLOW_UI_HOME=/usr/share/ferroflow/ui
    --label org.opencontainers.image.title=Ferroflow --label "org.opencontainers.image.version=$version"
    --label org.opencontainers.image.licenses=Apache-2.0
    --own home/ferroflow=1001:1001
)
if [ -z "$ui" ]; then
    python3 image/archive.py "${settings[@]}" "$made/ferroflow.tar" "ferroflow:$version" "$root"
    archive=$made/ferroflow.tar
else
    wheel=.venv/wheels/mlflow-3.7.0-py3-none-any.whl
    from=()
    [ ! -f "$wheel" ] || from=(--wheel "$wheel")
    rm -rf "$made/ui"
    FERROFLOW_UI_HOME="$made/ui/usr/share/ferroflow/ui" "$root/usr/bin/ferroflow" ui install "${from[@]}"
    python3 image/archive.py "${settings[@]}" "$made/ferroflow-ui.tar" "ferroflow:$version-ui" "$root" "$made/ui"
    archive=$made/ferroflow-ui.tar
fi
echo "$archive: $(stat -c %s "$archive") bytes; load it with \`docker load -i $archive\`, podman load or ctr images import"
