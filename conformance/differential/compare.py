"""Compares two normalised answers and says where they differ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from differential.normalise import NormalAnswer
from http_client import Request

SHOWN = 600


@dataclass(frozen=True)
class Difference:
    """Two different answers to the same request."""

    request: Request
    route: str
    official: NormalAnswer
    candidate: NormalAnswer
    places: list[str]

    def describe(self) -> str:
        """A short text for people: the request, where the answers differ, and both of them."""
        body = self.request.body
        sent = body.decode(errors="backslashreplace") if isinstance(body, bytes) else json.dumps(body)
        return "\n".join(
            [
                f"{self.request.method} {_shorten(self.request.target())}",
                f"  sent:     {_shorten(sent) if body is not None else '(no body)'}",
                *(f"  differs:  {place}" for place in self.places[:8]),
                f"  official: {_show(self.official)}",
                f"  got:      {_show(self.candidate)}",
            ]
        )


def differences(official: NormalAnswer, candidate: NormalAnswer) -> list[str]:
    """The places where two answers differ; empty when they are equal."""
    places = []
    if official.status != candidate.status:
        places.append(f"status: {official.status} != {candidate.status}")
    if official.media_type != candidate.media_type:
        places.append(f"media type: {official.media_type!r} != {candidate.media_type!r}")
    for name in sorted(official.headers.keys() | candidate.headers.keys()):
        if official.headers.get(name) != candidate.headers.get(name):
            places.append(f"header {name}: {official.headers.get(name)!r} != {candidate.headers.get(name)!r}")
    return places + _value_differences(official.body, candidate.body, "body")


def _value_differences(official: Any, candidate: Any, place: str) -> list[str]:
    if type(official) is not type(candidate):
        return [f"{place}: {_shorten(repr(official))} != {_shorten(repr(candidate))}"]
    if isinstance(official, dict):
        found = [f"{place}.{name}: missing" for name in official.keys() - candidate.keys()]
        found += [f"{place}.{name}: unexpected" for name in candidate.keys() - official.keys()]
        for name in official.keys() & candidate.keys():
            found += _value_differences(official[name], candidate[name], f"{place}.{name}")
        return sorted(found)
    if isinstance(official, list):
        found = [] if len(official) == len(candidate) else [f"{place}: {len(official)} != {len(candidate)} items"]
        for index, (left, right) in enumerate(zip(official, candidate)):
            found += _value_differences(left, right, f"{place}[{index}]")
        return found
    return [] if official == candidate else [f"{place}: {_shorten(repr(official))} != {_shorten(repr(candidate))}"]


def _show(answer: NormalAnswer) -> str:
    body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    return f"{answer.status} {answer.media_type or '(no type)'} {_shorten(body)}"


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"
