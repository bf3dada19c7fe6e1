"""The GraphQL operations that the interface of the installed MLflow package sends, taken from its build."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

# A document is a template literal that begins with its keyword; nothing is filled in.
DOCUMENT = re.compile(r"`(\s*(?:query|mutation|subscription|fragment)\s+\w+[^`$]*(?:\$\w[^`$]*)*)`")
DEFINITION = re.compile(r"\b(query|mutation|subscription|fragment)\s+(\w+)\s*(?:on\s+\w+\s*)?[({@]")


@dataclass(frozen=True)
class Operation:
    """An operation or a fragment with its text."""

    kind: str
    name: str
    text: str


def ui_operations() -> list[Operation]:
    """All of them, each once."""
    found = {}
    for script in _scripts():
        text = script.read_text(encoding="utf-8", errors="replace")
        for document in DOCUMENT.findall(text):
            for kind, name in DEFINITION.findall(document):
                found[kind, name] = Operation(kind, name, document)
    return sorted(found.values(), key=lambda operation: (operation.kind, operation.name))


def names_anywhere() -> set[str]:
    """The names of everything in the build that looks like an operation on MLflow's fields, whatever the literal around it."""
    looks_like = re.compile(r"\b(?:query|mutation|subscription)\s+(\w+)\s*(?:\([^)]*\))?\s*(?:@\w+\([^)]*\)\s*)?\{\s*mlflow")
    return {name for script in _scripts() for name in looks_like.findall(script.read_text(encoding="utf-8", errors="replace"))}


def _scripts() -> list[Path]:
    package = importlib.util.find_spec("mlflow")
    assert package is not None and package.origin is not None
    scripts = sorted((Path(package.origin).parent / "server/js/build").rglob("*.js"))
    assert len(scripts) > 50, "this package comes without its interface"
    return scripts
