"""What Ferroflow answers where the official server fails: where it crashes, or passes on its database's text.

A row of a table is a case: which requests, what Ferroflow must answer (status, error code, the pattern of the whole
message), and, where the answer is a success, what was asked. Any other answer to a call at which the official server fails
is an unwanted difference. Routes are written without their prefix.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from differential.compare import Difference
from differential.normalise import DATABASE_TEXT_MARK

PREFIX = re.compile(r"^/(ajax-)?api/[23]\.0/(mlflow/)?|^/")
SEE_DOCS = r" See the API docs for more information about request parameters\."
INVALID = "400 INVALID_PARAMETER_VALUE"
MISSING = "404 RESOURCE_DOES_NOT_EXIST"
TAKEN = "400 RESOURCE_ALREADY_EXISTS"
REFUSED = "400 BAD_REQUEST"
DONE = "200"


@dataclass(frozen=True)
class Case:
    """One case. `requests` are patterns of method and route; `asked` is searched in the target and the body."""

    requests: tuple[str, ...]
    answer: str
    message: str = ""
    asked: str = ""

    def covers(self, difference: Difference) -> bool:
        """Whether this is the case, and Ferroflow's answer the right one."""
        request, candidate = difference.request, difference.candidate
        route = f"{request.method} {PREFIX.sub('', difference.route).partition('?')[0]}"
        body = request.body.decode(errors="replace") if isinstance(request.body, bytes) else json.dumps(request.body)
        status, _, error_code = self.answer.partition(" ")
        return (
            any(fnmatchcase(route, pattern) for pattern in self.requests)
            and re.search(self.asked, f"{request.target()} {body}") is not None
            and (candidate.status, candidate.error_code() or "") == (int(status), error_code)
            and re.fullmatch(self.message, candidate.message(), re.DOTALL) is not None
        )


def crashed(difference: Difference) -> bool:
    """An unhandled exception: a page, `INTERNAL_ERROR` with Python's text, or a plain text."""
    official = difference.official
    text = official.body in ("Internal Server Error", "")
    return official.status == 500 and (official.media_type == "text/html" or official.error_code() == "INTERNAL_ERROR" or text)


def shows_its_database(difference: Difference) -> bool:
    """Texts of the driver, with statements and parameters."""
    return DATABASE_TEXT_MARK in difference.official.message()


def _wrong_type(parameters: str) -> str:
    return rf"Invalid value .* for parameter '({parameters})' supplied:  Hint: Value was of type '\w+'\.{SEE_DOCS}"


def _missing_value(parameters: str) -> str:
    return rf"Missing value for required parameter '({parameters})'\.({SEE_DOCS})?"


PROXY = "mlflow-artifacts/artifacts/*"
DOWNLOADS = (f"GET {PROXY}", "GET get-artifact", "GET logged-models/*/artifacts/files", "GET model-versions/get-artifact")
GRAPHQL = ("GET graphql", "POST graphql")
SEARCHES = ("POST runs/search", "POST experiments/search")
REGISTRY_SEARCHES = ("GET registered-models/search", "GET model-versions/search")
OF_AN_EXPERIMENT = tuple(f"POST experiments/{verb}" for verb in ("delete", "restore", "update", "set-experiment-tag", "delete-experiment-tag"))
INTO_AN_EXPERIMENT = ("POST runs/create", "POST logged-models")
TRACES = ("GET traces", "POST traces/search")
PROMPT_LAB = ("POST runs/create-promptlab-run",)
WEBHOOKS = ("POST webhooks", "PATCH webhooks/*", "POST webhooks/*/test")
# An id that is no int64. The official server knows only those that are.
NO_INT64 = r"(?!-?\d{1,18} exists)"

CRASHES: tuple[Case, ...] = (
    # Artifacts
    Case(DOWNLOADS, INVALID, r"'.*' is a folder\. List it and name one of the files in it instead\."),
    Case(DOWNLOADS, MISSING, r"No such artifact: '.*'"),
    Case((f"HEAD {PROXY}",), "404"),
    # The folder itself, under one of its names, is no file to write.
    Case(("POST upload-artifact",), INVALID, r"Invalid path", asked=r"path=(d%2F|\.|\./|%2e) "),
    Case((f"PUT {PROXY}",), INVALID, r"Cannot store '.*': a part of this path is a file\. Choose another path or delete that file\."),
    # Folder names that Python's mimetypes or MLflow's own check of names trip over.
    Case((f"PUT {PROXY}", "POST upload-artifact"), DONE, asked=r"[/=](https?:|s3:|\.\.;|\.\.%00|\.\.\.\.)"),
    Case((f"GET {PROXY}",), DONE, asked=r"/types_\w+/(%C3%BC|per%25cent)\.txt"),
    # Ids of experiments
    Case((*OF_AN_EXPERIMENT, *INTO_AN_EXPERIMENT), MISSING, rf"No Experiment with id={NO_INT64}.* exists"),
    Case(("GET experiments/get", "POST experiments/search-datasets"), MISSING, rf"No Experiment with id={NO_INT64}.* exists"),
    Case((*OF_AN_EXPERIMENT, *INTO_AN_EXPERIMENT), INVALID, _wrong_type("experiment_id")),
    Case((*OF_AN_EXPERIMENT, "POST logged-models"), INVALID, _missing_value("experiment_id")),
    Case(("POST runs/create",), REFUSED, _missing_value("experiment_id")),
    Case(("POST runs/search", "POST logged-models/search"), INVALID, r"Invalid experiment ID: '.*'\. It must be a number\."),
    Case(("POST runs/search", "POST logged-models/search"), DONE, asked=r'"experiment_ids": \["9223372036854775808"\]'),
    Case(("POST runs/search", "POST logged-models/search"), INVALID, _wrong_type("experiment_ids")),
    Case(("POST runs/search",), INVALID, rf"Invalid request: an experiment id is a string or an integer\.{SEE_DOCS}"),
    Case(("POST experiments/search-datasets",), INVALID, rf"Invalid request: an experiment id is a string or an integer\.{SEE_DOCS}"),
    Case(("POST experiments/search-datasets",), INVALID, rf"Invalid request: invalid type: .*, expected a sequence\.{SEE_DOCS}"),
    Case(("POST experiments/search-datasets",), INVALID, r"SearchDatasets request must specify at least one experiment_id\."),
    # Fields of the wrong type
    Case(("POST runs/create",), INVALID, _wrong_type("start_time")),
    Case(("POST runs/update",), INVALID, _wrong_type("end_time")),
    Case(("POST runs/log-metric",), INVALID, _wrong_type("value|timestamp|step")),
    Case(("PATCH logged-models/*",), INVALID, _wrong_type("status")),
    Case((*SEARCHES, "POST logged-models/search"), INVALID, _wrong_type("max_results")),
    Case(("POST experiments/search",), INVALID, _wrong_type("view_type")),
    Case(("GET metrics/get-history-bulk",), INVALID, r"max_results must be a number from 0, not '.*'\."),
    # Items of lists, and lists that are null
    Case(("POST runs/log-batch",), INVALID, _missing_value(r"run_id|(metrics|params|tags)\[\d+\]\.(key|value|timestamp)")),
    Case(("POST runs/log-batch",), DONE, asked=r'"(metrics|params|tags)": null'),
    Case(("POST runs/search",), DONE, asked=r'"(experiment_ids|max_results)": null'),
    Case(("POST logged-models/search",), INVALID, _missing_value("experiment_ids")),
    # Searches
    Case(("POST runs/search",), INVALID, r"`order_by` contains duplicate fields: \[.*\]"),
    Case(SEARCHES, INVALID, r"Invalid page token, parsed value=\[\]"),
    Case(("POST logged-models/search",), INVALID, r"Invalid page token: .*\. It is not (base64|an object)\."),
    Case(("POST logged-models/search",), INVALID, r"Invalid attribute key '.*' specified\. Valid keys are '\{.*\}'\.?"),
    Case(("POST logged-models/search",), INVALID, r"Invalid list .*\. Expected a list of quoted string values\."),
    Case(("POST logged-models/search",), INVALID, r"Invalid order by field name: \w+"),
    Case(("POST logged-models/search",), INVALID, r"could not convert string to float: .*"),
    # Traces
    Case(TRACES, INVALID, r"Invalid experiment ID: '.*'\. It must be a number\."),
    Case(TRACES, INVALID, r"While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list\."),
    Case(TRACES, INVALID, r"`order_by` contains duplicate fields: \[.*\]"),
    Case(TRACES, DONE, asked=r'order_by(=|": \[")end_time'),
    Case(TRACES, INVALID, _wrong_type("max_results|experiment_ids")),
    Case(TRACES, INVALID, rf"Invalid request: invalid type: .*, expected an object\.{SEE_DOCS}"),
    Case(("GET traces",), INVALID, _missing_value("experiment_ids")),
    Case(("GET traces",), DONE, asked=r'"experiment_ids": \[\]'),
    Case(TRACES, DONE, asked=r'"max_results": null'),
    Case(TRACES, INVALID, r"Invalid page token, (parsed value=\[\]|could not base64-decode)"),
    # Prompts that were tried out
    Case(PROMPT_LAB, MISSING, r"No Experiment with id=.* exists"),
    Case(PROMPT_LAB, INVALID, rf"Invalid request: .*{SEE_DOCS}"),
    Case(PROMPT_LAB, INVALID, r"CreatePromptlabRun request must specify experiment_id\."),
    Case(PROMPT_LAB, DONE, asked=r'"(tags|model_parameters|model_output_parameters)": (null|\[\{)'),
    # The model registry
    Case(("POST model-versions/create",), MISSING, r"Unable to fetch model from model URI source artifact location 'models:.*'\.Error: .* not found\.?"),
    Case(("POST model-versions/create",), INVALID, r"Unable to fetch model from model URI .*'\. Name a version by its number: 'models:/name/1'\."),
    Case(("POST model-versions/create",), INVALID, r"'.*' is not a valid URI: only a whole IPv6 address may stand in brackets\."),
    Case(("POST model-versions/create",), INVALID, r"Not a proper models:/ URI: .*"),
    Case(REGISTRY_SEARCHES, INVALID, r"Invalid page token, (parsed value=\[\]|could not base64-decode)"),
    Case(REGISTRY_SEARCHES, INVALID, _wrong_type("max_results")),
    Case(REGISTRY_SEARCHES, DONE, asked=r"max_results(=1(\.0|e3)&|\": (null|\"1\.0\"|\"1e3\"))"),
    Case(REGISTRY_SEARCHES, INVALID, r"`order_by` contains duplicate fields: \[.*\]"),
    Case(("GET model-versions/get-artifact",), INVALID, _missing_value("version")),
    # Webhooks
    Case(("POST webhooks", "PATCH webhooks/*"), INVALID, _missing_value(r"events\[\d+\]\.(entity|action)")),
    Case(("POST webhooks/*/test",), INVALID, _missing_value(r"event\.(entity|action)")),
    Case(WEBHOOKS, INVALID, rf"Invalid request: .* is no (entity|action) of events\.{SEE_DOCS}"),
    Case(WEBHOOKS, INVALID, rf"Invalid request: invalid type: .*, expected an object\.{SEE_DOCS}"),
    Case(("GET webhooks",), INVALID, r"Invalid page token, parsed value=None"),
    # GraphQL
    Case(GRAPHQL, INVALID, rf"Missing value for required parameter 'query'\.{SEE_DOCS}"),
    Case(GRAPHQL, INVALID, _wrong_type("query")),
    Case(GRAPHQL, INVALID, r"The GraphQL query cannot be read at line \d+, column \d+: .*\."),
    Case(GRAPHQL, INVALID, rf"Invalid request: invalid type: .*, expected a map\.{SEE_DOCS}"),
    # Models in the old way
    Case(("POST runs/log-model",), INVALID, r"Malformed model info\. \n .* \n is not a valid JSON object\."),
)

# What PostgreSQL's columns limit and MLflow's checks do not.
LONG_TEXTS = (
    *("POST experiments/create", "POST experiments/update", "POST runs/create", "POST runs/update", "POST runs/log-inputs"),
    *("POST runs/outputs", "POST logged-models", "POST logged-models/*/params", "PATCH logged-models/*/tags"),
    *("POST registered-models/create", "POST registered-models/rename", "PATCH registered-models/update", "POST registered-models/set-tag"),
    *("POST model-versions/create", "PATCH model-versions/update"),
    *("POST webhooks", "PATCH webhooks/*"),
    *PROMPT_LAB,
)

DATABASE_TEXTS: tuple[Case, ...] = (
    # Creating and changing
    Case(("POST experiments/create",), TAKEN, r"Experiment\(name=.*\) already exists\.( It is deleted: restore it, or choose another name\.)?"),
    Case(("POST experiments/update",), TAKEN, r"Experiment\(name=.*\) already exists\."),
    Case(("POST runs/create",), REFUSED, _missing_value("experiment_id")),
    Case(("POST runs/create",), DONE, asked=r'"mlflow\.runName", "value": ""'),
    Case(LONG_TEXTS, REFUSED, r"value too long for type character varying\(\d+\)"),
    Case(("POST model-versions/create",), INVALID, r"Invalid model version source: '.*"),
    Case(("POST registered-models/rename",), TAKEN, r"Registered Model \(name=.*\) already exists\."),
    # Numbers of versions that are none, or that no INTEGER can be
    Case(("POST model-versions/transition-stage",), INVALID, r"Parameter 'version' must be an integer, got '.*'\."),
    Case(("* model-versions/*", "* registered-models/alias"), MISSING, r"Model Version \(name=.*, version=\d{10,}\) not found"),
    # The same twice
    Case(("POST logged-models",), REFUSED, r"The (param|tag) '.*' is given more than once; give it once\."),
    Case(("POST logged-models/*/params",), REFUSED, r"Changing param values is not allowed\. Param with key='.*' was already logged with value='.*' for .*"),
    Case(("POST logged-models/*/params",), DONE, asked=r'"params": \[\{[^{}]*\}\]'),
    Case(("POST runs/log-inputs",), REFUSED, r"The tag '.*' of data set '.*' is given more than once\."),
    Case(("POST runs/outputs",), REFUSED, r"Logged model '.*' already is an output of run '.*' at another step than \d+\."),
    Case(("POST runs/outputs",), DONE, asked=r'"models": \[\{[^{}]*\}\]'),
    Case(("POST runs/log-metric", "POST runs/log-batch"), DONE, asked=r'"value": "NaN"'),
    Case(("POST runs/log-metric",), MISSING, r"Logged model with ID '.*' not found\."),
    Case(("POST webhooks", "PATCH webhooks/*"), REFUSED, r"The event '[a-z_.]+' is given more than once; give it once\."),
    # Searches
    Case((*SEARCHES, *REGISTRY_SEARCHES, "GET metrics/get-history", "GET webhooks"), INVALID, r"Invalid page token, parsed value=\{'offset': -1\}"),
    Case(("GET registered-models/search",), INVALID, r"Invalid value for max_results\. It must be a positive integer, but got -\d+"),
    Case(("GET model-versions/search", *TRACES), INVALID, r"Lists of values can only be used with the comparators IN and NOT IN\."),
    Case(("GET metrics/get-history-bulk",), INVALID, r"max_results must be a number from 0, not '-\d+'\."),
    Case(TRACES, REFUSED, r"invalid regular expression: .*"),
    Case(SEARCHES, DONE, asked=r'"filter": "(start|creation)_time [<>]=? [\d.e]+'),
    Case(("POST runs/search",), DONE, asked=r'"filter": "dataset\.name IN .* AND metrics\.'),
)
