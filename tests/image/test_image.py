"""The archive that `make image` has made: what is in it, and that it runs with nothing else. Needs root, for a root file system of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
MADE = REPOSITORY / "target" / "image"
ARCHIVE = MADE / "ferroflow.tar"
LIMIT = 20_000_000
FILES = {
    "etc",
    "etc/group",
    "etc/passwd",
    "etc/ssl",
    "etc/ssl/certs",
    "etc/ssl/certs/ca-certificates.crt",
    "home",
    "home/ferroflow",
    "tmp",
    "usr",
    "usr/bin",
    "usr/bin/ferroflow",
    "usr/bin/mlflow",
}


class Image:
    """The archive, unpacked."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(directory, filter="data")
        (self.manifest,) = json.loads((directory / "manifest.json").read_text())
        self.index = json.loads((directory / "index.json").read_text())
        self.directory = directory
        self.config: dict[str, Any] = json.loads((directory / self.manifest["Config"]).read_text())
        (layer,) = self.manifest["Layers"]
        with tarfile.open(directory / layer) as tar:
            self.entries = {entry.name: entry for entry in tar.getmembers()}
            tar.extractall(self.root, filter="tar", numeric_owner=True)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Runs a command in it: as its user, with its environment, with a root file system that cannot be written but for /tmp."""
        chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin")
        script = (
            f"mount --bind {self.root} {self.root} && mount -o remount,bind,ro {self.root} && "
            f'mount -t tmpfs -o mode=1777 tmpfs {self.root}/tmp && exec {chroot} --userspec=1001:1001 {self.root} "$@"'
        )
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script, "sh", *command],
            env=dict(setting.split("=", 1) for setting in self.config["config"]["Env"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image."""
    assert ARCHIVE.is_file(), "there is no image: run `make image`"
    return Image(tmp_path_factory.mktemp("image"))


def test_it_is_small(image: Image) -> None:
    assert ARCHIVE.stat().st_size < LIMIT


def test_it_has_no_file_that_it_does_not_need(image: Image) -> None:
    assert set(image.entries) == FILES
    assert image.entries["usr/bin/mlflow"].linkname == "ferroflow"
    owners = {name: (entry.uid, entry.gid) for name, entry in image.entries.items()}
    assert owners.pop("home/ferroflow") == (1001, 1001) and set(owners.values()) == {(0, 0)}
    assert image.entries["tmp"].mode == 0o1777
    writable = {name for name, entry in image.entries.items() if entry.mode & 0o022 and not entry.issym()}
    assert writable == {"tmp"}


def test_it_runs_as_nobody_in_particular(image: Image) -> None:
    config = image.config["config"]
    assert (config["User"], config["Entrypoint"]) == ("1001:1001", ["/usr/bin/ferroflow"])
    assert "HOME=/home/ferroflow" in config["Env"]
    assert image.config["os"] == "linux" and image.config["architecture"] in {"amd64", "arm64"}


def test_both_descriptions_name_the_same_image(image: Image) -> None:
    (entry,) = image.index["manifests"]
    manifest = json.loads((image.directory / "blobs" / entry["digest"].replace(":", "/")).read_text())
    assert "blobs/" + manifest["config"]["digest"].replace(":", "/") == image.manifest["Config"]
    assert ["blobs/" + layer["digest"].replace(":", "/") for layer in manifest["layers"]] == image.manifest["Layers"]
    for blob in (image.directory / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    (tag,) = image.manifest["RepoTags"]
    assert entry["annotations"]["io.containerd.image.name"] == f"docker.io/library/{tag}"


def test_the_binary_needs_no_other_file(image: Image) -> None:
    binary = str(image.root / "usr/bin/ferroflow")
    assert "INTERP" not in _output("readelf", "--program-headers", "--wide", binary)
    assert "NEEDED" not in _output("readelf", "--dynamic", binary)


@pytest.mark.parametrize("name", ["ferroflow", "mlflow"])
def test_it_answers_by_both_names(image: Image, name: str) -> None:
    said, _ = (process := image.start(name, "--version")).communicate(timeout=60)
    (tag,) = image.manifest["RepoTags"]
    assert process.returncode == 0 and said.strip() == tag.replace(":", " ")


def test_it_serves_on_a_root_that_cannot_be_written(image: Image) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = ("--backend-store-uri", "sqlite:////tmp/mlflow.db", "--artifacts-destination", "/tmp/artifacts")
    server = image.start("mlflow", "server", "--port", str(port), *places)
    deadline = time.monotonic() + 30
    while not _is_ready(port):
        assert time.monotonic() < deadline and server.poll() is None, server.communicate(timeout=60)
        time.sleep(0.05)
    server.terminate()
    server.communicate(timeout=60)
    assert server.returncode == 0


def test_what_cannot_be_written_is_said(image: Image) -> None:
    server = image.start("ferroflow", "server", "--port", "0")
    _, said = server.communicate(timeout=60)
    assert server.returncode == 1 and "read-only file system" in said


def test_its_certificates_are_mozillas_alone(image: Image) -> None:
    pattern = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
    ours = pattern.findall((image.root / "etc/ssl/certs/ca-certificates.crt").read_text())
    mozillas = {text for file in Path("/usr/share/ca-certificates/mozilla").glob("*.crt") for text in pattern.findall(file.read_text())}
    assert len(ours) > 100 and set(ours) == mozillas


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    (tmp_path / "one" / "usr").mkdir(parents=True)
    (tmp_path / "one" / "usr" / "b").write_text("b")
    (tmp_path / "one" / "a").symlink_to("usr/b")
    command = [sys.executable, str(REPOSITORY / "image" / "archive.py"), "--entrypoint", "/usr/b"]
    subprocess.run([*command, tmp_path / "1.tar", "some:1", tmp_path / "one"], check=True)
    os.utime(tmp_path / "one" / "usr" / "b", (1, 1))
    (tmp_path / "one" / "usr").chmod(0o700)
    subprocess.run([*command, tmp_path / "2.tar", "some:1", tmp_path / "one"], check=True)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    (tmp_path / "one" / "usr" / "b").write_text("c")
    subprocess.run([*command, tmp_path / "3.tar", "some:1", tmp_path / "one"], check=True)
    assert (tmp_path / "1.tar").read_bytes() != (tmp_path / "3.tar").read_bytes()


def test_what_it_is_made_of_is_listed() -> None:
    bom = json.loads((MADE / "ferroflow.cdx.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    listed = {component["name"]: component for component in bom["components"]}
    assert {"axum", "ring", "rustls", "tokio-postgres", "rusqlite", "sqlite", "ca-certificates"} <= set(listed)
    # Those of tests and of the build are not in the binary.
    assert not {"insta", "proptest", "tempfile", "cc", "serde_derive"} & set(listed)
    for component in bom["components"]:
        assert component["version"] and component["purl"].startswith("pkg:")
        if component["purl"].startswith("pkg:cargo/") and not component["name"].startswith("ferroflow"):
            assert component["licenses"] and len(component["hashes"][0]["content"]) == 64, component
    known = {dependency["ref"] for dependency in bom["dependencies"]}
    assert all(set(dependency["dependsOn"]) <= known for dependency in bom["dependencies"])


def _is_ready(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200)
    except OSError:
        return False


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
