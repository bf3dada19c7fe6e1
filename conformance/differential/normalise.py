"""Replaces what two right servers may answer differently: ids, the time of day, random names, places.

Ids become numbers in the order of their first appearance, so that the same id in two answers stays the same id.
Everything else is left as it came, and compared exactly.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from experiment_ids import EXPERIMENT_ID
from http_client import Answer
from servers import Server

MODEL_ID = re.compile(r"(?<![0-9a-zA-Z])m-[0-9a-f]{32}(?![0-9a-zA-Z])")
RUN_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])")
WEBHOOK_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-zA-Z])")
RANDOM_NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
# Python's sets in messages come in an order that changes from process to process.
PYTHON_SET = re.compile(r"\{'[^'{}]*'(?:, '[^'{}]*')*\}")
PYTHON_ADDRESS = re.compile(r" at 0x[0-9a-f]+>")
# In the history of a run's models, when the server makes one.
TIME_CREATED = re.compile(r'(?<="utc_time_created": ")\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}(?=")')
# Texts of the database driver, with statements, parameters and times in them.
DATABASE_TEXT = re.compile(r"\((?:raised as a result of|sqlite3\.|psycopg2\.|builtins\.).*\[SQL: .*", re.DOTALL)
DATABASE_TEXT_MARK = "<database text>"
ONE_DAY_MS = 86_400_000
# Lists whose order the official server leaves to the database.
UNORDERED = {"events", "params", "tags", "dataset_inputs", "model_inputs", "model_outputs", "dataset_summaries", "aliases", "latest_versions"}
UNORDERED |= {"request_metadata", "assessments"}
UNORDERED |= {"datasetInputs", "modelInputs", "modelOutputs", "datasetSummaries"}
# The same for one route: the end of its path, and the lists.
UNORDERED_AT = {"/get-latest-versions": {"model_versions"}}
PAGE_TOKENS = {"next_page_token", "nextPageToken"}
# GraphQL writes 64-bit numbers as texts.
EPOCH_MS = re.compile(r"1\d{12}")
# Bodies of these types are for people; clients look at the status and the type.
OPAQUE_TYPES = {"text/html"}
METHODS = "access-control-allow-methods"
COMPARED_HEADERS = (
    "content-disposition",
    "x-content-type-options",
    "x-frame-options",
    "location",
    "www-authenticate",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    METHODS,
)


@dataclass(frozen=True)
class NormalAnswer:
    """An answer ready for comparison."""

    status: int
    media_type: str
    headers: dict[str, str]
    body: Any

    def error_code(self) -> str | None:
        """The error code of a JSON error."""
        return self.body.get("error_code") if isinstance(self.body, dict) else None

    def message(self) -> str:
        """The message of a JSON error, or nothing."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


class Normaliser:
    """Normalises the answers of one server during one scenario."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._seen: dict[str, dict[str, str]] = {}
        self._next: dict[str, int] = {}
        self._unordered: set[str] = set()
        self._places = {
            str(server.directory): "<directory>",
            f"127.0.0.1:{server.port}": "<server>",
        }

    def answer(self, answer: Answer, path: str = "") -> NormalAnswer:
        """Normalises a whole answer, to a request for this path."""
        self._unordered = next((lists for end, lists in UNORDERED_AT.items() if path.endswith(end)), set())
        headers = {name: self.text(answer.headers[name]) for name in COMPARED_HEADERS if name in answer.headers}
        if METHODS in headers:
            headers[METHODS] = ", ".join(sorted(headers[METHODS].split(", ")))
        return NormalAnswer(answer.status, answer.media_type(), headers, self._body(answer))

    def value(self, value: Any, key: str = "", parent: str = "") -> Any:
        """Normalises a JSON value; `key` is the name of the field it is in, `parent` that of the object around."""
        if isinstance(value, dict):
            return {self.text(name): self.value(item, name, key) for name, item in value.items()}
        if isinstance(value, list):
            items = [self.value(item, key, parent) for item in value]
            return sorted(items, key=_sort_key) if key in self._unordered or _is_unordered(key, parent) else items
        if isinstance(value, str):
            return self._number("token", value) if key in PAGE_TOKENS and value else self.text(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else f"<JSON literal {value}>"
        if isinstance(value, int) and not isinstance(value, bool) and _is_now(value):
            return "<now>"
        return value

    def text(self, text: str) -> str:
        """Normalises a string."""
        if EPOCH_MS.fullmatch(text) and _is_now(int(text)):
            return "<now>"
        for place, name in self._places.items():
            text = text.replace(place, name)
        text = DATABASE_TEXT.sub(DATABASE_TEXT_MARK, text)
        text = PYTHON_SET.sub(lambda match: "{" + ", ".join(sorted(match.group()[1:-1].split(", "))) + "}", text)
        text = PYTHON_ADDRESS.sub(" at <address>>", text)
        text = TIME_CREATED.sub(lambda match: "<now>" if _is_now_in_words(match.group()) else match.group(), text)
        text = WEBHOOK_ID.sub(self._numbered("webhook"), text)
        text = MODEL_ID.sub(self._numbered("model"), text)
        text = RUN_ID.sub(self._numbered("run"), text)
        text = EXPERIMENT_ID.sub(self._numbered("experiment"), text)
        return "<random name>" if RANDOM_NAME.fullmatch(text) else text

    def _body(self, answer: Answer) -> Any:
        if answer.media_type() in OPAQUE_TYPES:
            return "<not compared>"
        if answer.is_json() and answer.body and "content-disposition" not in answer.headers:
            try:
                return self.value(answer.json())
            except json.JSONDecodeError:
                return f"<invalid JSON> {answer.body[:200]!r}"
        return self.text(answer.body.decode(errors="backslashreplace"))

    def _numbered(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self._number(kind, match.group())

    def _number(self, kind: str, original: str) -> str:
        seen = self._seen.setdefault(kind, {})
        if original not in seen:
            self._next[kind] = self._next.get(kind, 0) + 1
            seen[original] = f"<{kind} {self._next[kind]}>"
        return seen[original]


def synchronise(one: Normaliser, other: Normaliser) -> None:
    """Lets both go on with the same numbers, so that an id which only one server gave out shifts no later ones."""
    one._next = {kind: max(one._next.get(kind, 0), other._next.get(kind, 0)) for kind in one._next | other._next}
    other._next = dict(one._next)


def _is_unordered(key: str, parent: str) -> bool:
    return key in UNORDERED or (key == "metrics" and parent == "data")


def _is_now(value: int) -> bool:
    return abs(value - time.time() * 1000) < ONE_DAY_MS


def _is_now_in_words(text: str) -> bool:
    return _is_now(int(1000 * datetime.fromisoformat(f"{text}+00:00").timestamp()))


def _sort_key(item: Any) -> str:
    return json.dumps(item, sort_keys=True)
