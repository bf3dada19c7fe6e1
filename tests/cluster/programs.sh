#!/usr/bin/env bash
# Builds the programs of a Kubernetes node, kubectl, Helm, CoreDNS, Traefik and cert-manager from their Go modules, those that are
# not there yet. The versions are below; Go's checksum database vouches for what comes.
#
#   tests/cluster/programs.sh FOLDER
set -euo pipefail
kubernetes=v1.34.4 helm=v3.22.0 coredns=v1.12.4 traefik=v3.6.12 cert_manager=v1.11.5

bin=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# -mod=mod: the modules below name no more than one requirement, Go adds the rest.
export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false -trimpath"
light="-s -w"

there() {
    for program in "$@"; do [ -x "$bin/$program" ] || return 1; done
}

# Where a module's sources are.
sources() {
    go mod download -json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'
}

# A module that requires another one, with the replace and exclude lines that count only in the module that is built.
module() {
    mkdir "$work/$1" && cd "$work/$1"
    printf 'module programs\n\ngo 1.24.0\n\nrequire %s %s\n' "$2" "$3" >go.mod
}

build() {
    echo "building $*" >&2
    go build -ldflags "$light${stamp:+ $stamp}" -o "$bin/" "$@"
}

programs="kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy"
# shellcheck disable=SC2086 # several words
if ! there $programs kubectl; then
    module kubernetes k8s.io/kubernetes $kubernetes
    # Its parts are required at v0.0.0 and come from its own tree there.
    grep -oE '^\s+k8s\.io/[a-z-]+ v0\.0\.0( |$)' "$(sources k8s.io/kubernetes@$kubernetes)/go.mod" |
        awk -v version="v0.${kubernetes#v1.}" '{ print "replace " $1 " => " $1 " " version }' >>go.mod
    mkdir kubectl
    cat >kubectl/main.go <<'GO'
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
GO
    version=k8s.io/component-base/version minor=${kubernetes#v1.}
    # Charts look at the version that the server says.
    stamp="-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}"
    # shellcheck disable=SC2046 # several words
    build $(printf 'k8s.io/kubernetes/cmd/%s ' $programs) ./kubectl
    stamp=""
fi

if ! there helm; then
    module helm helm.sh/helm/v3 $helm
    build helm.sh/helm/v3/cmd/helm
fi

if ! there coredns; then
    module coredns github.com/coredns/coredns $coredns
    build github.com/coredns/coredns
fi

# The last version whose programs belong to the module that has the library.
if ! there cert-manager-controller || [ ! -f "$bin/cert-manager-crds.yaml" ]; then
    module cert-manager github.com/cert-manager/cert-manager $cert_manager
    own=$(sources github.com/cert-manager/cert-manager@$cert_manager)
    # Its webhook, which refuses wrong objects, is not needed for right ones.
    build github.com/cert-manager/cert-manager/cmd/controller
    mv "$bin/controller" "$bin/cert-manager-controller"
    # The chart's conditions around them are taken out.
    for file in "$own"/deploy/crds/*.yaml; do
        grep -v '{{' "$file"
        echo ---
    done >"$bin/cert-manager-crds.yaml"
fi

if ! there traefik; then
    module traefik github.com/traefik/traefik/v3 $traefik
    own="$(sources github.com/traefik/traefik/v3@$traefik)/go.mod"
    go mod edit -json "$own" | python3 -c '
import json, sys
module = json.load(sys.stdin)
for replaced in module.get("Replace") or []:
    old, new = replaced["Old"], replaced["New"]
    print("replace", old["Path"], old.get("Version", ""), "=>", new["Path"], new.get("Version", ""))
for excluded in module.get("Exclude") or []:
    print("exclude", excluded["Path"], excluded["Version"])' >>go.mod
    build github.com/traefik/traefik/v3/cmd/traefik
fi
ls "$bin" >&2
