"""The differences between Ferroflow's answers and the official server's that we want, each with its reason.

A difference that no entry matches fails the test in which it occurs. An entry that matches nothing during a full run
fails the run, so that this list stays true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from differential.compare import Difference
from differential.normalise import NormalAnswer
import graphql_differences as graphql
import webhook_differences as webhooks
from failures import CRASHES, DATABASE_TEXTS, crashed, shows_its_database

PAGE_CODES = ("ENDPOINT_NOT_FOUND", "BAD_REQUEST", "INVALID_PARAMETER_VALUE")
# Marks of paths that other programs or systems understand as leading elsewhere; `link` is a symbolic link of the tests.
DOUBTFUL_PATH = re.compile(r"\\|%(25)*5c|//|artifacts/%2f|%23|/link|%00|%c0|%ff|artifacts/(\.|%2e)/?$", re.IGNORECASE)
BEYOND_64_BITS = re.compile(r"\d{19}")
NUL_MESSAGE = re.compile(
    r"Invalid value for parameter '[\w.\[\]]+' supplied: It contains the character NUL \(U\+0000\), which cannot be stored\. "
    r"Remove it and try again\."
)


@dataclass(frozen=True)
class Wanted:
    """A wanted difference: its name, why we want it, and which differences it covers."""

    name: str
    reason: str
    matches: Callable[[Difference], bool]


def _wrong_types_are_refused(difference: Difference) -> bool:
    """The official server either ignores the whole field, or what comes after it in the list, or converts the value."""
    official, message = difference.official, difference.candidate.message()
    in_a_list = message.startswith("Invalid request: ") and official.status < 500
    # Ignoring a number that it cannot read, the official server goes on with 0, or with what Python makes of it.
    goes_on = official.status == 200 or "Invalid value 0 " in official.message() or BEYOND_64_BITS.search(message)
    on_top = "Hint: Value was of type" in message and goes_on
    return difference.candidate.status == 400 and bool(in_a_list or on_top)


def _location_is_refused(difference: Difference) -> bool:
    message = difference.candidate.message()
    is_ours = message.startswith(("This server does not keep experiments in that folder.", "'artifact_location' "))
    return difference.candidate.status == 400 and difference.official.status == 200 and is_ours


def _broken_json_is_refused(difference: Difference) -> bool:
    """The official server takes such a body as an empty one: it may succeed, or miss a parameter."""
    message = difference.candidate.message()
    return difference.candidate.status == 400 and message.startswith("The request body ") and "JSON" in message


def _page_is_json(difference: Difference) -> bool:
    """The status must be the same, unless there is no such route, and the error code one that clients know."""
    official, candidate = difference.official, difference.candidate
    is_page = official.media_type == "text/html" and official.status in (308, 400, 404, 405)
    if is_page and candidate.status == 404 and candidate.error_code() == "ENDPOINT_NOT_FOUND":
        return True
    is_page = is_page and official.status == candidate.status
    without_body = difference.request.method == "HEAD" and candidate.media_type == "application/json"
    return is_page and (candidate.error_code() in PAGE_CODES or without_body)


def _data_set_without_digest(difference: Difference) -> bool:
    body = difference.request.body
    datasets = body.get("datasets") if isinstance(body, dict) else None
    given = [one for one in datasets if isinstance(one, dict)] if isinstance(datasets, list) else []
    is_search = difference.route.endswith("logged-models/search") and difference.candidate.status == 200
    return is_search and any(one.get("dataset_name") and not one.get("dataset_digest") for one in given)


def _tag_given_twice(difference: Difference) -> bool:
    return difference.candidate.status == 400 and "A tag key may be given only once" in difference.candidate.message()


def _negative_page_size(difference: Difference) -> bool:
    message = difference.candidate.message()
    refuses = "It must be a positive integer" in message or "must be a number from 0" in message
    return refuses and difference.official.status == 200


def _negative_offset(difference: Difference) -> bool:
    return "Invalid page token" in difference.candidate.message() and difference.official.status == 200


def _history_without_page_size(difference: Difference) -> bool:
    """The official answer is a page without a metric; Ferroflow's is the whole history."""
    official, candidate = difference.official, difference.candidate
    is_history = difference.route.endswith("metrics/get-history") and official.status == candidate.status == 200
    return is_history and set(official.body) == {"next_page_token"} and set(candidate.body) == {"metrics"}


def _no_json_literals(difference: Difference) -> bool:
    literals = ("<JSON literal nan>", "<JSON literal inf>", "<JSON literal -inf>")
    return all(any(literal in place for literal in literals) for place in difference.places)


def _contradicting_model_ids(difference: Difference) -> bool:
    return difference.candidate.status == 400 and "is not the one of its path" in difference.candidate.message()


def _status_by_name(difference: Difference) -> bool:
    body = difference.request.body
    is_search = difference.route.endswith("logged-models/search") and isinstance(body, dict)
    return is_search and str(body.get("filter")).startswith("status ")


def _key_with_a_slash(difference: Difference) -> bool:
    is_page = difference.official.status == 404 and difference.official.media_type == "text/html"
    is_tag = "/logged-models/" in difference.route and "/tags/" in difference.route and "%2F" in difference.route
    return is_page and is_tag and _is_mlflow_json(difference.candidate)


def _foreign_origin_is_not_allowed(difference: Difference) -> bool:
    only_headers = all(place.startswith("header access-control-allow-") for place in difference.places)
    return only_headers and not any(name.startswith("access-control-") for name in difference.candidate.headers)


def _doubtful_path(difference: Difference) -> bool:
    candidate = difference.candidate
    refused = candidate.status == 400 and candidate.message().startswith("Invalid path")
    return refused and DOUBTFUL_PATH.search(difference.request.target()) is not None


def _plain_paths(difference: Difference) -> bool:
    """All the rest of the lists must be equal."""
    only_paths = all(re.match(r"body\.files\[\d+\]\.path: ", place) for place in difference.places)
    return only_paths and difference.route.endswith(("artifacts/list", "artifacts/directories"))


def _folder_is_not_overwritten(difference: Difference) -> bool:
    message = difference.candidate.message()
    return difference.request.method == "PUT" and difference.candidate.status == 400 and "is a folder" in message


def _quoted_file_name(difference: Difference) -> bool:
    name = "content-disposition"
    official, candidate = difference.official.headers.get(name, ""), difference.candidate.headers.get(name, "")
    start, _, plain = official.partition("filename=")
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return len(difference.places) == 1 and candidate == f'{start}filename="{quoted}"'


def _preflight(difference: Difference) -> bool:
    """An origin that may write is told the same by both; a foreign one is told nothing."""
    official, candidate = difference.official, difference.candidate
    if difference.request.method != "OPTIONS" or official.status not in (200, 204):
        return False
    allowed = "access-control-allow-origin"
    if candidate.status == 403:
        return not any(name.startswith("access-control-") for name in candidate.headers)
    return candidate.status == 204 and candidate.headers.get(allowed) == official.headers.get(allowed)


def _empty_origin(difference: Difference) -> bool:
    return ("Origin", "") in difference.request.headers and difference.candidate.status == 403


def _token_of_another_search(difference: Difference) -> bool:
    both = (difference.official, difference.candidate)
    return all(a.status == 400 and "page token" in a.message() for a in both) and "match" in difference.official.message()


def _missing_before_mistyped(difference: Difference) -> bool:
    missing = difference.candidate.message().startswith("Missing value for required parameter")
    return missing and difference.official.message().startswith("Invalid value null for parameter")


def _nul_in_a_text(difference: Difference) -> bool:
    candidate, body = difference.candidate, json.dumps(str(difference.request.body))
    refused = candidate.status == 400 and candidate.error_code() == "INVALID_PARAMETER_VALUE"
    sent = any(nul in difference.request.target() + body for nul in ("%00", "x00", "u0000"))
    return refused and sent and NUL_MESSAGE.fullmatch(candidate.message()) is not None


def _line_break_in_a_path(difference: Difference) -> bool:
    return difference.official.body == {"detail": "Not Found"} and "%0a" in difference.request.path


def _aliases_go_with_their_version(difference: Difference) -> bool:
    """The official server goes on to list them, or answers that their version is not there."""
    official, candidate = difference.official, difference.candidate
    if difference.route.endswith("registered-models/alias"):
        gone = re.fullmatch(r"Registered model alias \S+ not found\.", candidate.message())
        return official.status == 404 and official.message().startswith("Model Version (name=") and gone is not None
    if not all(re.match(r"body\.registered_models?(\[\d+\])?\.aliases", place) for place in difference.places):
        return False
    both = (
        [alias for model in one.body.get("registered_models", [one.body.get("registered_model", {})]) for alias in model.get("aliases", [])]
        for one in (official, candidate)
    )
    listed, left = ({alias["alias"] for alias in aliases} for aliases in both)
    return left < listed


def _latest_is_the_newest(difference: Difference) -> bool:
    both = (difference.official, difference.candidate)
    is_latest = difference.route.endswith("registered-models/alias") and ("alias", "latest") in difference.request.query
    if not is_latest or any(one.status != 200 for one in both):
        return False
    shown, newest = (int(one.body["model_version"]["version"]) for one in both)
    return newest > shown


def _source_is_refused(difference: Difference) -> bool:
    official, candidate = difference.official, difference.candidate
    refused = candidate.status == 400 and candidate.message().startswith("Invalid model version source: ")
    # The answer to such a source without a prompt's tag, by both.
    refused = refused or (candidate.status == 500 and " is not a valid remote uri." in candidate.message())
    return refused and difference.route.endswith("model-versions/create") and official.status == 200


def _resolved_folder_is_not_shown(difference: Difference) -> bool:
    """Both refuse the folder in the same words, but for the folder."""
    def texts(message: str) -> str:
        return re.sub(r"'.*'", "''", message, flags=re.DOTALL)

    both = (difference.official, difference.candidate)
    is_folder = all("To use a local path as a model version source" in one.message() for one in both)
    return is_folder and texts(both[0].message()) == texts(both[1].message()) and len(difference.places) == 1


def _text_is_no_number(difference: Difference) -> bool:
    wanted = r"Expected numeric value type for numeric attribute: (version_number|timestamp_ms)\."
    return difference.candidate.status == 400 and re.match(wanted, difference.candidate.message()) is not None


def _list_is_no_value(difference: Difference) -> bool:
    is_search = difference.route.endswith(("mlflow/traces", "traces/search"))
    message = difference.candidate.message()
    return is_search and difference.official.status == 200 and message.startswith("Lists of values can only be used with")


def _regular_expression_is_refused(difference: Difference) -> bool:
    return difference.official.status == 200 and difference.candidate.message().startswith("RLIKE expects a regular expression: ")


def _every_run_counts(difference: Difference) -> bool:
    body = difference.request.body
    text = str(body.get("filter") if isinstance(body, dict) else dict(difference.request.query).get("filter"))
    is_search = difference.route.endswith(("mlflow/traces", "traces/search")) and difference.official.status == difference.candidate.status == 200
    return is_search and (text.count("run_id = ") > 1 or text == "run_id = ''")


def _headers_of_a_refusal(difference: Difference) -> bool:
    only_headers = all(place.startswith(("header x-", "header access-control-")) for place in difference.places)
    return difference.official.status == 403 and only_headers and "x-content-type-options" in difference.candidate.headers


def _is_mlflow_json(answer: NormalAnswer) -> bool:
    return answer.media_type == "application/json" and (answer.status == 200 or answer.error_code() is not None)


WANTED: tuple[Wanted, ...] = (
    Wanted(
        "wrong types are refused",
        "A field of the wrong type makes the official server ignore it, and silently all that follows in a list, so that "
        "a part of a batch is lost with 200. Ferroflow refuses the request and says which value is wrong.",
        _wrong_types_are_refused,
    ),
    Wanted(
        "broken JSON is refused",
        "The official server takes a body that is not JSON as an empty one, and so answers with 200 or with a message "
        "about a missing parameter. Ferroflow says that it is not JSON, and where.",
        _broken_json_is_refused,
    ),
    Wanted(
        "unknown routes and methods answer in JSON",
        "Errors are never HTML. Clients get the same ENDPOINT_NOT_FOUND from the JSON as they do from a 404 page, also "
        "where the official server has a route that answers 404 only, or redirects a doubled slash to one.",
        _page_is_json,
    ),
    Wanted(
        "a data set without a digest matches all digests",
        "The official server compares a missing digest with NULL, so that the documented search by name alone finds "
        "nothing.",
        _data_set_without_digest,
    ),
    Wanted(
        "a tag given twice at creation",
        "The official server blames the name of the experiment: RESOURCE_ALREADY_EXISTS.",
        _tag_given_twice,
    ),
    Wanted(
        "negative page sizes are refused",
        "The official server takes them as they are: no models and the token of a page before the first, or all points "
        "of a history but the last.",
        _negative_page_size,
    ),
    Wanted(
        "negative offsets are refused",
        "A page token made up by hand; the official server passes its offset to the database.",
        _negative_offset,
    ),
    Wanted(
        "a history without a page size",
        "The official server answers with an empty first page; its own client always sends a size. Everything is the "
        "safe answer for other clients.",
        _history_without_page_size,
    ),
    Wanted(
        "NaN in a bulk history",
        "The official server writes the literal NaN, which is not JSON; Ferroflow the string that all other routes use.",
        _no_json_literals,
    ),
    Wanted(
        "contradicting model ids",
        "With one id in the path and another in the body, the official server takes one or the other, by route.",
        _contradicting_model_ids,
    ),
    Wanted(
        "models are found by the name of their status",
        "The official server compares the name with the number in its database, and finds nothing.",
        _status_by_name,
    ),
    Wanted(
        "tag keys with a slash",
        "The official server's route does not match them, so that such a tag can be set, but not deleted.",
        _key_with_a_slash,
    ),
    Wanted(
        "foreign origins are not told that they may read",
        "The official server answers any origin that it may read, with credentials; later versions do not.",
        _foreign_origin_is_not_allowed,
    ),
    Wanted(
        "doubtful artifact paths are refused",
        "Backslashes, doubled slashes, fragments, broken UTF-8, the root itself, and links that leave it. The official server writes through such "
        "links, and DELETE of the path `#` removes the whole root.",
        _doubtful_path,
    ),
    Wanted(
        "listed paths are plain",
        "Asked for `./folder` or `a//b`, the official server puts that before the names of its answer.",
        _plain_paths,
    ),
    Wanted(
        "a folder is not overwritten",
        "An upload to the path of a folder puts the file into the folder on the official server.",
        _folder_is_not_overwritten,
    ),
    Wanted(
        "special characters in file names are quoted",
        "In the header of a download the official server leaves spaces, quotes and colons as they are, except in "
        "get-artifact, which quotes them.",
        _quoted_file_name,
    ),
    Wanted(
        "a line break in an artifact path",
        "No route of the official server matches such a path.",
        _line_break_in_a_path,
    ),
    Wanted(
        "refusals have the security headers",
        "The official server leaves X-Content-Type-Options and X-Frame-Options out of its answers to foreign hosts and "
        "origins.",
        _headers_of_a_refusal,
    ),
    Wanted(
        "preflights have no body",
        "The official server answers an OPTIONS request with 200 and a text, with 204 and none, or with a page, as its "
        "two frameworks happen to; Ferroflow always with 204, or with 403 where the page may not write.",
        _preflight,
    ),
    Wanted(
        "an empty Origin header",
        "No browser sends it; it is no origin that may write.",
        _empty_origin,
    ),
    Wanted(
        "a page token of another search",
        "Ours knows that it belongs to another search, not which part of it differs.",
        _token_of_another_search,
    ),
    Wanted(
        "an absent value is called missing",
        "When another field cannot be read, the official server calls an absent value null, and of the wrong type.",
        _missing_before_mistyped,
    ),
    Wanted(
        "artifact locations lead nowhere else",
        "The official server takes any folder of its own machine, and then gives out the files in it as artifacts.",
        _location_is_refused,
    ),
    Wanted(
        "sources of model versions lead nowhere else",
        "The official server looks at no source of a prompt, and at less of the query and the fragment of others; it then gives out "
        "what it finds there as artifacts.",
        _source_is_refused,
    ),
    Wanted(
        "a refused source is shown as it was sent",
        "The official server shows what became of it: its working directory, and where its symbolic links lead.",
        _resolved_folder_is_not_shown,
    ),
    Wanted(
        "aliases go with their version",
        "The official server means to delete them, but compares numbers with texts: they then stand for a version that is gone.",
        _aliases_go_with_their_version,
    ),
    Wanted(
        "the alias latest is the newest version",
        "The official server answers the newest version of whichever stage its database names first.",
        _latest_is_the_newest,
    ),
    Wanted(
        "a number is compared with numbers",
        "The official server leaves a text that is no number to the database: SQLite says that it is larger.",
        _text_is_no_number,
    ),
    Wanted(
        "what is no regular expression is refused",
        "The official server finds nothing with it on SQLite, and fails in PostgreSQL.",
        _regular_expression_is_refused,
    ),
    Wanted(
        "every run that a search for traces names counts",
        "The official server looks at the last one only, and not at one without a name.",
        _every_run_counts,
    ),
    Wanted(
        "a list of values is compared by IN",
        "The official server compares a list of one with `=` on SQLite, and fails in PostgreSQL.",
        _list_is_no_value,
    ),
    Wanted(
        "NUL in a text",
        "PostgreSQL cannot keep it; the official server crashes there, and stores it in SQLite. Ferroflow refuses it on both, "
        "and names the parameter.",
        _nul_in_a_text,
    ),
    Wanted(
        "webhooks lead to public addresses, by URLs that can be used",
        "The official server takes whatever has an allowed scheme, and sends to its own network, its host, and its cloud's "
        "metadata service (CVE-2026-64849).",
        webhooks.leads_nowhere,
    ),
    Wanted(
        "an update of a webhook without a status enables nothing",
        "The official server takes the absence of a status for ACTIVE, so that a webhook that was disabled is told again when its "
        "description changes.",
        webhooks.keeps_its_status,
    ),
    Wanted(
        "what a receiver says stays with it",
        "The official server passes the receiver's answer on, so that its users can read what only the server can reach.",
        webhooks.receiver_is_not_quoted,
    ),
    Wanted(
        "redirects of receivers are not followed",
        "They can lead anywhere, also where no webhook may.",
        webhooks.redirect_is_not_followed,
    ),
    Wanted(
        "why a webhook's test failed",
        "The official server shows Python's exception, with the URL in it.",
        webhooks.failed_in_other_words,
    ),
    Wanted(
        "GraphQL: Python's own texts",
        "An argument that is missing or null, an id that is no number: the official server answers what Python says about "
        "its own code. Ferroflow names the mistake, or does what was asked where nothing is missing.",
        graphql.pythons_own_texts,
    ),
    Wanted(
        "GraphQL: runs by their view type",
        "The official server cannot read the values of its own enum, so that every search with one fails.",
        graphql.view_type,
    ),
    Wanted(
        "GraphQL: NaN in a history",
        "The official server answers null, as it does in a run's metrics, and an error for every point besides, which makes "
        "clients throw the whole history away.",
        graphql.nan_in_a_history,
    ),
    Wanted(
        "GraphQL: enums that are not set",
        "The official server answers null, and an error for each: its enums begin with 1, its messages with 0.",
        graphql.unset_enums,
    ),
    Wanted(
        "GraphQL: limits hold with fragments in their places",
        "The official server counts in each fragment by itself, and not at all in those without a name, so that a short text "
        "may ask for any number of fields.",
        graphql.limits_in_place,
    ),
    Wanted(
        "GraphQL: descriptions of what every schema has",
        "The types of introspection and the built-in scalars are described in other words. Nothing depends on them.",
        graphql.descriptions,
    ),
    Wanted(
        "GraphQL: NUL in a text of a query",
        "As in every text; here it is written as an escape of the query's own.",
        graphql.nul_in_a_query,
    ),
    *(
        Wanted(
            f"official server crashed: {' '.join(case.requests)} -> {case.answer} {case.message or case.asked}",
            "The official server answers an unhandled exception with 500, as an HTML page or with Python's text. Ferroflow "
            "names the mistake as a client's error, or does what was asked.",
            lambda difference, case=case: crashed(difference) and case.covers(difference),
        )
        for case in CRASHES
    ),
    *(
        Wanted(
            f"official server shows its database: {' '.join(case.requests)} -> {case.answer} {case.message or case.asked}",
            "The official server passes on texts of its database driver, with statements and parameters. Ferroflow answers "
            "with its own text, or does what was asked.",
            lambda difference, case=case: shows_its_database(difference) and case.covers(difference),
        )
        for case in DATABASE_TEXTS
    ),
)
