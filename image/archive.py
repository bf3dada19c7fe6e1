#!/usr/bin/env python3
"""Makes an image archive out of folders, a layer each, without an engine and without a registry.

It is an OCI image layout with Docker's manifest.json beside it, so that `docker load`, `podman load`, `ctr images import` and
`skopeo copy oci-archive:` all read it. The same folders make the same bytes: names are sorted, times are zero, owners are root
but where `--own` says otherwise, and of a file's mode only whether it can be run is kept.

example: image/archive.py --entrypoint /usr/bin/ferroflow --user 1001:1001 out.tar ferroflow:dev target/image/root
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import tarfile
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# OCI wants a date; this one makes no difference between two builds.
CREATED = "1970-01-01T00:00:00Z"
PATH = "PATH=/usr/local/bin:/usr/bin:/bin"


def layer(folder: Path, owners: dict[str, tuple[int, int]]) -> bytes:
    """The folder as a tar file."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            entry = tarfile.TarInfo(name)
            entry.uid, entry.gid = next((owner for below, owner in owners.items() if f"{name}/".startswith(f"{below}/")), (0, 0))
            if path.is_symlink():
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
                tar.addfile(entry)
            elif path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
                tar.addfile(entry)
            else:
                entry.size, entry.mode = path.stat().st_size, 0o755 if path.stat().st_mode & 0o100 else 0o644
                with path.open("rb") as file:
                    tar.addfile(entry, file)
    return content.getvalue()


def archive(name: str, layers: list[bytes], config: dict[str, Any]) -> bytes:
    """The whole archive."""
    blobs: dict[str, bytes] = {}

    def put(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(content)}

    packed = [put("layer.v1.tar+gzip", gzip.compress(content, 9, mtime=0)) for content in layers]
    described = put(
        "config.v1+json",
        _json(
            {
                "created": CREATED,
                "architecture": ARCHITECTURES[platform.machine()],
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in layers]},
            }
        ),
    )
    manifest = put(
        "manifest.v1+json",
        _json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": described, "layers": packed}),
    )
    # containerd takes the whole name from here, Docker and Podman theirs from manifest.json.
    whole_name = name if "/" in name else f"docker.io/library/{name}"
    names = {"io.containerd.image.name": whole_name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]}
    blob = {entry["digest"]: f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}" for entry in (described, *packed)}
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [{**manifest, "annotations": names}]}),
        "manifest.json": _json(
            [{"Config": blob[described["digest"]], "RepoTags": [name], "Layers": [blob[entry["digest"]] for entry in packed]}]
        ),
        **blobs,
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            tar.addfile(entry, io.BytesIO(files[path]))
    return content.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("name", help="NAME:TAG")
    parser.add_argument("folders", type=Path, nargs="+", help="a layer each, from the lowest to the highest")
    parser.add_argument("--entrypoint", required=True)
    parser.add_argument("--user", default="0:0")
    parser.add_argument("--directory", default="/", help="where the program starts")
    parser.add_argument("--port", type=int, help="what it listens on")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--own", action="append", default=[], metavar="PATH=UID:GID", help="who owns PATH and what is below it")
    options = parser.parse_args()
    config: dict[str, Any] = {
        "Entrypoint": [options.entrypoint],
        "Env": [PATH, *options.env],
        "User": options.user,
        "WorkingDir": options.directory,
    }
    if options.port:
        config["ExposedPorts"] = {f"{options.port}/tcp": {}}
    if options.label:
        config["Labels"] = dict(label.split("=", 1) for label in options.label)
    owners: dict[str, tuple[int, int]] = {}
    for own in options.own:
        path, owner = own.split("=", 1)
        user, group = owner.split(":")
        owners[path] = (int(user), int(group))
    layers = [layer(folder, owners) for folder in options.folders]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(archive(options.name, layers, config))


if __name__ == "__main__":
    main()
