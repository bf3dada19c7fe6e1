"""Routes of MLflow 3.7.0 that Ferroflow does not serve yet, and the part of Ferroflow that each of them waits for.

A pattern is a method and a path as in `fnmatch`. A listed route that is served, and a pattern without a route, fail.
"""

from __future__ import annotations

NOT_YET: dict[str, tuple[str, ...]] = {
    "traces": (
        "POST /*api/2.0/mlflow/traces",
        "* /*api/2.0/mlflow/traces/*",
        "* /*api/3.0/mlflow/traces",
        "* /*api/3.0/mlflow/traces/<trace_id>",
        "* /*api/3.0/mlflow/traces/<trace_id>/tags",
        "* /*api/3.0/mlflow/traces/batchGet",
        "* /*api/3.0/mlflow/traces/calculate-filter-correlation",
        "* /*api/3.0/mlflow/traces/delete-traces",
        "* /*api/3.0/mlflow/traces/get",
    ),
    "assessments": ("* /*api/3.0/mlflow/traces/<trace_id>/assessments*",),
    "OTLP": ("POST /v1/traces",),
    "scorers": tuple(f"* /*api/3.0/mlflow/scorers/{verb}" for verb in ("delete", "get", "list", "register", "versions")),
    "evaluation datasets": ("* /*api/3.0/mlflow/datasets/*",),
    "jobs": ("* /ajax-api/3.0/jobs/*",),
    "basic-auth": (
        "* /api/*/mlflow/*/permissions/*",
        "* /api/2.0/mlflow/users/*",
        "GET /signup",
    ),
    # Routes whose handler in the official server is a plain 404.
    "nothing: the official server answers 404 as well": (
        "GET /*api/2.0/mlflow/get-online-trace-details",
        "GET /*api/2.0/mlflow/unified-traces",
        "POST /*api/2.0mlflow/experiments/search-datasets",
    ),
}
