"""MLflow's client sends a file, or fetches it: run by `transfers.py` in the virtual environment. Prints the seconds it took."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

PIECE = 1 << 20


def main(direction: str, root: str, file: Path) -> float:
    """Sends or fetches the file; what came back is compared after the clock has stopped."""
    repository = get_artifact_repository(root)
    if direction == "up":
        began = time.perf_counter()
        repository.log_artifact(str(file))
        return time.perf_counter() - began
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        began = time.perf_counter()
        fetched = repository.download_artifacts(file.name, folder)
        seconds = time.perf_counter() - began
        if not _are_equal(file, Path(fetched)):
            sys.exit("what came back is not what was sent")
    return seconds


def _are_equal(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with open(one, "rb") as left, open(other, "rb") as right:
        while piece := left.read(PIECE):
            if piece != right.read(PIECE):
                return False
    return True


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
