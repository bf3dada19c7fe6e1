#!/usr/bin/env python3
"""Lists what the image is made of, as CycloneDX: the crates that are linked into the binary, with versions, licences and
checksums, SQLite and the C library, and the package of the certificates. Prints Ferroflow's version.

It is read from Cargo.lock and `cargo metadata`, so it has what was built, and nothing but. The same sources make the same bytes.

example: image/sbom.py --target x86_64-unknown-linux-musl target/image/ferroflow.cdx.json
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BINARY = "ferroflow"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--authorities", type=Path, help="the folder that the certificates come from")
    options = parser.parse_args()
    metadata = json.loads(_output("cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", options.target))
    packages = {package["id"]: package for package in metadata["packages"]}
    edges = _linked(metadata)
    checksums = {
        (package["name"], package["version"]): package["checksum"]
        for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
        if "checksum" in package
    }
    (top,) = [package for package in packages.values() if package["name"] == BINARY and package["id"] in edges]
    crates = sorted((packages[id] for id in edges if id != top["id"]), key=lambda p: (p["name"], p["version"]))
    components = [_crate(package, checksums) for package in crates] + _others(packages, edges, options.authorities)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**_crate(top, checksums), "type": "application"}},
        "components": components,
        "dependencies": sorted(
            ({"ref": _purl(packages[id]), "dependsOn": sorted(_purl(packages[to]) for to in edges[id])} for id in edges),
            key=lambda dependency: str(dependency["ref"]),
        ),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(top["version"])


def _linked(metadata: dict[str, Any]) -> dict[str, set[str]]:
    """What is linked into the binary, and what each part of it uses: neither build scripts' nor tests' dependencies, nor macros."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    (top,) = [id for id, package in packages.items() if package["name"] == BINARY and id in metadata["workspace_members"]]
    edges: dict[str, set[str]] = {}
    waiting = [top]
    while waiting:
        id = waiting.pop()
        if id in edges:
            continue
        normal = {
            dependency["pkg"]
            for dependency in nodes[id]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            and not any("proc-macro" in target["kind"] for target in packages[dependency["pkg"]]["targets"])
        }
        edges[id] = normal
        waiting += normal
    return edges


def _crate(package: dict[str, Any], checksums: dict[tuple[str, str], str]) -> dict[str, Any]:
    component: dict[str, Any] = {"type": "library", "bom-ref": _purl(package), "name": package["name"], "version": package["version"]}
    if package.get("license"):
        # `MIT/Apache-2.0` is how it was written before SPDX.
        component["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    component["purl"] = _purl(package)
    return component


def _others(packages: dict[str, Any], edges: dict[str, set[str]], authorities: Path | None) -> list[dict[str, Any]]:
    """What is in the image and is no crate."""
    (sqlite,) = [packages[id] for id in edges if packages[id]["name"] == "libsqlite3-sys"]
    header = (Path(sqlite["manifest_path"]).parent / "sqlite3" / "sqlite3.h").read_text(errors="replace")
    (version,) = re.findall(r'^#define SQLITE_VERSION\s+"([^"]+)"', header, re.MULTILINE)
    rust = re.findall(r"^release: (\S+)", _output("rustc", "-vV"), re.MULTILINE)[0]
    others = [
        {"type": "library", "name": "sqlite", "version": version, "purl": f"pkg:generic/sqlite@{version}"},
        {"type": "library", "name": "rust-std, with musl", "version": rust, "purl": f"pkg:generic/rust@{rust}"},
    ]
    if authorities:
        version = _output("dpkg-query", "--show", "--showformat=${Version}", "ca-certificates")
        others.append(
            {"type": "data", "name": "ca-certificates", "version": version, "purl": f"pkg:deb/debian/ca-certificates@{version}"}
        )
    return others


def _purl(package: dict[str, Any]) -> str:
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
