#!/bin/sh
# Makes what the cluster's tests need beside conformance/setup.sh: Debian's packages, and Kubernetes' programs built by Go into
# target/cluster/bin, about 15 minutes the first time on two cores. Doing it again when all is there takes a second.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")

# program:package
missing=""
for need in etcd:etcd-server containerd:containerd runc:runc iptables:iptables conntrack:conntrack ip:iproute2 openssl:openssl \
    gcc:gcc htpasswd:apache2-utils named:bind9 pebble:pebble; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${need%%:*}" >/dev/null 2>&1 || missing="$missing ${need##*:}"
done
[ -x /usr/lib/cni/bridge ] || missing="$missing containernetworking-plugins"
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "setup.sh: not found:$missing; install them (Debian: apt-get install$missing) and run this again." >&2
        exit 1
    fi
    apt-get -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086 # several words
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
fi

if ! command -v go >/dev/null 2>&1; then
    echo "setup.sh: Go 1.24 or newer is needed to build Kubernetes' programs." >&2
    exit 1
fi
"$here/programs.sh" "$root/target/cluster/bin"
