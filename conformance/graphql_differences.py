"""Which differences of answers to GraphQL queries are wanted; `wanted_differences.py` says why."""

from __future__ import annotations

import re
from typing import Any

from differential.compare import Difference

# What Python and protobuf say when MLflow's resolvers are called with too little.
PYTHON = re.compile(
    r"invalid literal for int\(\) with base 10: '.*'|.* missing 1 required positional argument: '\w+'"
    r"|vars\(\) argument must have __dict__ attribute|'NoneType' object is not iterable"
    r"|Failed to parse \w+ field: null is not allowed to be used as an element in a repeated field at [\w.\[\]]+\."
)
OURS = re.compile(
    r"No Experiment with id=.* exists|Invalid experiment ID: '.*'\. It must be a number\."
    r"|The argument 'input' is missing: give an object, which may be empty\.|The argument 'inputString' is missing\."
    r"|Missing value for required parameter 'experiment_id'\.|Invalid argument 'input': .*\."
    r"|SearchDatasets request must specify at least one experiment_id\."
)
VIEW_TYPE = re.compile(r"Failed to parse run_view_type field: int\(\) argument must be .*, not 'EnumMeta'\.")
UNSET_ENUM = re.compile(r"Enum '\w*DeploymentJob\w*' cannot represent value: 0")
LIMIT = re.compile(r"GraphQL queries should have at most \d+ (root fields|aliases), got .*|Query exceeds maximum .*")
DESCRIPTION = re.compile(r"body\.data\.__schema\.types\[\d+\]\.(\w+\[\d+\]\.)?description: [^N].* != [^N].*", re.DOTALL)
NUL = re.compile(r"The GraphQL query cannot be read at line \d+, column \d+: this text holds the character NUL \(U\+0000\)\.")


def pythons_own_texts(difference: Difference) -> bool:
    """Every error of the official answer is such a text, and ours a sentence. Without experiments a search finds nothing."""
    official, candidate = _errors(difference)
    if not official or not all(PYTHON.fullmatch(error) for error in official):
        return False
    if candidate:
        return difference.candidate.body["data"] == difference.official.body["data"] and all(OURS.fullmatch(e) for e in candidate)
    found = (difference.candidate.body["data"] or {}).get("mlflowSearchRuns") or {}
    return official == ["'NoneType' object is not iterable"] and found.get("runs") == []


def view_type(difference: Difference) -> bool:
    """Ours is an answer."""
    official, candidate = _errors(difference)
    if len(official) != 1 or not VIEW_TYPE.fullmatch(official[0]) or candidate:
        return False
    return difference.candidate.body["data"]["mlflowSearchRuns"] is not None


def nan_in_a_history(difference: Difference) -> bool:
    """The data are the same."""
    official, candidate = _errors(difference)
    return not candidate and set(official) == {"Float cannot represent non numeric value: nan"} and _only_errors(difference)


def unset_enums(difference: Difference) -> bool:
    """The data are the same."""
    official, candidate = _errors(difference)
    unset = bool(official) and all(UNSET_ENUM.fullmatch(error) for error in official)
    return unset and not candidate and _only_errors(difference)


def limits_in_place(difference: Difference) -> bool:
    """Only where there is a fragment."""
    official, candidate = _errors(difference)
    refused = len(candidate) == 1 and LIMIT.fullmatch(candidate[0]) is not None
    return refused and not any(LIMIT.fullmatch(error) for error in official) and "..." in difference.request.body["query"]


def descriptions(difference: Difference) -> bool:
    """A description there is a description here."""
    return _is_graphql(difference) and all(DESCRIPTION.fullmatch(place) for place in difference.places)


def nul_in_a_query(difference: Difference) -> bool:
    """The escape is in the query."""
    refused = difference.candidate.status == 400 and NUL.fullmatch(difference.candidate.message()) is not None
    return refused and "\\u0000" in difference.request.body["query"]


def _errors(difference: Difference) -> tuple[list[str], list[str]]:
    """The errors of both answers; none for an answer that is not GraphQL's."""
    bodies = (difference.official.body, difference.candidate.body)
    if not _is_graphql(difference) or not all(isinstance(body, dict) and "errors" in body for body in bodies):
        return [], []
    official, candidate = (_texts(body["errors"]) for body in bodies)
    return official, candidate


def _texts(errors: Any) -> list[str]:
    return [str(error) for error in errors or []]


def _only_errors(difference: Difference) -> bool:
    return all(place.startswith("body.errors") for place in difference.places)


def _is_graphql(difference: Difference) -> bool:
    return difference.route == "/graphql" and isinstance(difference.request.body, dict)
