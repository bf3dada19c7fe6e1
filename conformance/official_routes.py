"""The routes of the installed MLflow package: what its Flask and FastAPI applications and its auth plug-in register."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

AUTOMATIC = {"HEAD", "OPTIONS"}
# The auth plug-in names its paths in a module of its own, but their methods only where it registers them.
AUTH_METHODS = {
    "create": "POST",
    "create-ui": "POST",
    "get": "GET",
    "update": "PATCH",
    "update-password": "PATCH",
    "update-admin": "PATCH",
    "delete": "DELETE",
    "signup": "GET",
}


@dataclass(frozen=True, order=True)
class Route:
    """A method and a path; parameters are written as Flask writes them."""

    path: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def official_routes() -> set[Route]:
    """All routes."""
    return _declared_routes() | _flask_routes() | _fastapi_routes() | _auth_routes()


def _declared_routes() -> set[Route]:
    from mlflow.server.handlers import get_endpoints

    return {Route(path, method) for path, _, methods in get_endpoints() for method in methods}


def _flask_routes() -> set[Route]:
    from mlflow.server import app

    return {Route(rule.rule, method) for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - AUTOMATIC}


def _fastapi_routes() -> set[Route]:
    from mlflow.server.job_api import job_api_router
    from mlflow.server.otel_api import otel_router

    found = {
        Route(route.path, method)
        for router in (job_api_router, otel_router)
        for route in router.routes
        for method in route.methods - AUTOMATIC
    }
    return {Route(route.path.replace("{", "<").replace("}", ">"), route.method) for route in found}


def _auth_routes() -> set[Route]:
    """Those of the auth plug-in that the server alone does not have.

    The module is loaded by its file: importing its package needs, and installing what it needs changes, the server.
    """
    import mlflow.server

    file = Path(mlflow.server.__file__).parent / "auth" / "routes.py"
    spec = importlib.util.spec_from_file_location("mlflow_auth_routes", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    paths = [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]
    own = [path for path in paths if "/permissions/" in path or "/users/" in path or path.endswith("/signup")]
    return {Route(path, AUTH_METHODS[path.rsplit("/", 1)[1]]) for path in own}
