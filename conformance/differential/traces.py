"""Traces in both databases, with spans, assessments and links, written by MLflow's own store: Ferroflow has no routes that make them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback, TraceInfo, TraceLocation, TraceState
from mlflow.store.tracking.dbmodels.models import SqlEntityAssociation, SqlSpan
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from differential.pair import Pair


@dataclass
class Trace:
    """A trace to write. `spans` are names, types, statuses and attributes; `links` are types and ids."""

    time: int
    state: str = "OK"
    duration: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    spans: list[tuple[str, str, str, str]] = field(default_factory=list)
    assessments: list[dict[str, Any]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


def write_traces(pair: Pair, experiment: str, traces: list[Trace]) -> list[str]:
    """Writes traces to the experiment in both databases; returns their ids, which are the same in both."""
    ids = [f"tr-{pair.token}-{number}" for number in range(len(traces))]
    for side, uri in enumerate(pair.backend_uris):
        for trace_id, trace in zip(ids, traces):
            metadata = {key: pair.value(value, side) for key, value in trace.metadata.items()}
            links = [(kind, pair.value(to, side)) for kind, to in trace.links]
            _write(_store(uri), trace_id, pair.value(experiment, side), replace(trace, metadata=metadata, links=links))
    return ids


def set_trace_tags(pair: Pair, trace_id: str, tags: dict[str, str | None]) -> None:
    """Sets tags of a trace in both databases; `None` deletes one."""
    for uri in pair.backend_uris:
        for key, value in tags.items():
            if value is None:
                _store(uri).delete_trace_tag(trace_id, key)
            else:
                _store(uri).set_trace_tag(trace_id, key, value)


def write_spans(pair: Pair, experiment: str, trace_id: str, contents: list[str]) -> None:
    """Writes spans to both databases as they come: the first without a parent, the others begin in reverse order."""
    for side, uri in enumerate(pair.backend_uris):
        with _store(uri).ManagedSessionMaker() as session:
            for number, content in enumerate(contents):
                session.add(
                    SqlSpan(
                        trace_id=trace_id,
                        experiment_id=int(pair.value(experiment, side)),
                        span_id=f"span-{number}",
                        parent_span_id="span-0" if number else None,
                        name="span",
                        status="OK",
                        start_time_unix_nano=100 - number,
                        content=content,
                    )
                )


@cache
def _store(uri: str) -> SqlAlchemyStore:
    return SqlAlchemyStore(uri, "mlflow-artifacts:/")


def _write(store: SqlAlchemyStore, trace_id: str, experiment: str, trace: Trace) -> None:
    store.start_trace(
        TraceInfo(
            trace_id=trace_id,
            trace_location=TraceLocation.from_experiment_id(experiment),
            request_time=trace.time,
            execution_duration=trace.duration,
            state=TraceState(trace.state),
            tags=trace.tags,
            trace_metadata=trace.metadata,
            assessments=[_assessment(trace_id, number, fields) for number, fields in enumerate(trace.assessments)],
            **trace.fields,
        )
    )
    with store.ManagedSessionMaker() as session:
        for number, (name, kind, status, attributes) in enumerate(trace.spans):
            session.add(
                SqlSpan(
                    trace_id=trace_id,
                    experiment_id=int(experiment),
                    span_id=f"span-{number}",
                    name=name,
                    type=kind,
                    status=status,
                    start_time_unix_nano=1,
                    end_time_unix_nano=2,
                    content=f'{{"name": "{name}", "attributes": {{{attributes}}}}}',
                )
            )
        for number, (kind, to) in enumerate(trace.links):
            link = SqlEntityAssociation(association_id=f"{trace_id}-{number}", source_type="trace", source_id=trace_id)
            link.destination_type, link.destination_id = kind, to
            session.add(link)


def _assessment(trace_id: str, number: int, fields: dict[str, Any]) -> Feedback | Expectation:
    about = {name: value for name, value in fields.items() if name not in ("kind", "error", "source", "overrides", "rationale")}
    source = AssessmentSource(*fields.get("source", ("HUMAN", "somebody")))
    about |= {"trace_id": trace_id, "source": source, "create_time_ms": 5_000 + number, "last_update_time_ms": 1_700_000_000_007}
    if fields.get("kind") == "expectation":
        found: Feedback | Expectation = Expectation(**about)
    else:
        error = AssessmentError(*fields["error"]) if "error" in fields else None
        found = Feedback(error=error, rationale=fields.get("rationale"), overrides=fields.get("overrides"), **about)
    found.assessment_id = f"a-{trace_id}-{number}"
    return found
