"""Renders the chart with Helm's own engine, and finds things in what comes out."""

from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/ferroflow"
SEED = CHART / "ci/seed-values.yaml"

Object = dict[str, Any]


@cache
def chart() -> "helm_python.Chart":
    return helm_python.Chart.load(str(CHART))


def merged(*parts: dict) -> dict:
    """Values of several files, the last one first."""
    result: dict = {}
    for part in parts:
        for key, value in part.items():
            before = result.get(key)
            result[key] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def at_path(path: str, value: Any) -> dict:
    """The values that set one key."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def rendered(values: dict, name: str = "mlflow", namespace: str = "mlflow") -> dict[str, str]:
    """Each template's text."""
    return chart().render(values, name=name, namespace=namespace)


def objects(values: dict, name: str = "mlflow", namespace: str = "mlflow") -> list[Object]:
    """What would be installed."""
    found = []
    for path, text in rendered(values, name, namespace).items():
        if path.endswith((".yaml", ".yml")):
            found += [document for document in yaml.safe_load_all(text) if document]
    return found


def seed() -> dict:
    return yaml.safe_load(SEED.read_text())


def of_kind(found: list[Object], kind: str, name: str | None = None) -> Object:
    """The one object of a kind; an empty one if there is none."""
    all_of_them = [o for o in found if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(all_of_them) <= 1, [o["metadata"]["name"] for o in all_of_them]
    return all_of_them[0] if all_of_them else {}


def look(found: list[Object], where: str) -> Any:
    """What is at `KIND: path`, `KIND/NAME: path` or one of the short names; None if nothing is. A `~` in a path is a dot."""
    what, _, path = where.partition(": ")
    starts = {
        "pod": ("Deployment", "spec.template.spec"),
        "server": ("Deployment", "spec.template.spec.containers.0"),
        "config": ("ConfigMap/mlflow-env-configmap", "data"),
    }
    what, start = starts.get(what, (what, ""))
    kind, _, name = what.partition("/")
    value: Any = of_kind(found, kind, name or None)
    for step in filter(None, f"{start}.{path}".split(".")):
        step = step.replace("~", ".")
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = (value or {}).get(step)
    return value


def pod_specs(found: list[Object]) -> list[tuple[str, Object]]:
    """Every pod's spec, with a name for it."""
    specs = []
    for thing in found:
        spec, name = thing.get("spec", {}), f"{thing['kind']}/{thing['metadata']['name']}"
        match thing["kind"]:
            case "Pod":
                specs.append((name, spec))
            case "Deployment" | "Job":
                specs.append((name, spec["template"]["spec"]))
            case "CronJob":
                specs.append((name, spec["jobTemplate"]["spec"]["template"]["spec"]))
    return specs
