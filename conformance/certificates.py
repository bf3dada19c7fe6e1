"""Certificates for the tests, made by OpenSSL: `name.pem` with `name.key`, good for two days."""

from __future__ import annotations

import subprocess
from pathlib import Path

KEY = ("-newkey", "rsa:2048", "-nodes")


def openssl(folder: Path, *arguments: str) -> None:
    """Runs OpenSSL in the folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> None:
    """One that others can be signed by."""
    openssl(folder, "req", "-x509", *KEY, "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN=Test {name}")


def make(folder: Path, name: str, *, subject: str, authority: str = "ca", host: str = "DNS:localhost") -> None:
    """One of a host or a client, signed."""
    openssl(folder, "req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
    (folder / "names").write_text(f"subjectAltName={host}\n")
    signed = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
