"""Writes what was measured: all of it as JSON, tables of medians in Markdown, and a picture of them."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goals import COLD_START_SECONDS, GOAL_CONNECTIONS, GOALS, IDLE_MIB, LOADED_MIB, MEDIANS
from load import Sample
from plot import Panel, svg


@dataclass
class Footprint:
    """What a target needs beside time: memory of its process tree, and the time from exec to the first answer."""

    engine: str
    target: str
    idle_mib: float
    loaded_mib: float = 0.0
    cold_starts: list[float] = field(default_factory=list)


@dataclass
class Results:
    """One run of the benchmarks. `skipped` says why a target has no figure for a call."""

    about: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def failed(self) -> list[Sample]:
        """Measurements whose figure does not count."""
        return [sample for sample in self.samples if sample.problems]

    def rates(self, engine: str, call: str, connections: int, target: str) -> list[float]:
        """Requests a second of the measurements without a problem."""
        wanted = (engine, call, connections, target)
        good = [s for s in self.samples if not s.problems]
        return [s.per_second for s in good if (s.engine, s.call, s.connections, s.target) == wanted]

    def median(self, engine: str, call: str, connections: int, target: str) -> float | None:
        """The median of those."""
        found = self.rates(engine, call, connections, target)
        return statistics.median(found) if found else None


def write(results: Results, directory: Path) -> None:
    """Writes `results.json`, `results.md` and `results.svg`."""
    content = {
        "about": results.about,
        "samples": [sample.as_json() for sample in results.samples],
        "footprints": [vars(footprint) for footprint in results.footprints],
        "skipped": results.skipped,
    }
    (directory / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    (directory / "results.md").write_text(markdown(results))
    (directory / "results.svg").write_text(picture(results))


def picture(results: Results) -> str:
    """The medians over the most connections as bars, without `health`, which asks no database."""
    connections = max((sample.connections for sample in results.samples), default=1)
    panels = []
    for engine in _in_order(sample.engine for sample in results.samples):
        of_engine = [s for s in results.samples if s.engine == engine and s.call != "health"]
        medians = {
            call: {
                target: median
                for target in _in_order(s.target for s in of_engine if s.call == call)
                if (median := results.median(engine, call, connections, target))
            }
            for call in _in_order(s.call for s in of_engine)
        }
        panels.append(Panel({"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(engine, engine), medians))
    about = results.about
    facts = (f"{connections} connections", f"{about['runs in the database']:,} runs", f"{about['cores']} cores", about["date"])
    return svg(panels, ", ".join(str(fact) for fact in facts))


def markdown(results: Results) -> str:
    """The report for people."""
    about = "".join(f"- {name}: {value}\n" for name, value in results.about.items())
    parts = [f"# Benchmark results\n\n![Requests a second of each server](results.svg)\n\n{about}"]
    engines = _in_order(sample.engine for sample in results.samples)
    for engine in engines:
        for connections in _in_order(s.connections for s in results.samples if s.engine == engine):
            parts.append(_table(results, engine, connections))
    if results.footprints:
        parts.append(_footprints(results.footprints))
    if results.skipped:
        parts.append("## Not measured\n\n" + "".join(f"- {what}: {why}\n" for what, why in results.skipped.items()))
    if results.failed():
        lines = (
            f"- {s.engine}, {s.call}, {s.connections} connections, {s.target}: {'; '.join(s.problems)}\n"
            for s in results.failed()
        )
        parts.append("## Failed: these figures do not count\n\n" + "".join(lines))
    return "\n".join(parts)


def _in_order(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


def _table(results: Results, engine: str, connections: int) -> str:
    samples = [s for s in results.samples if (s.engine, s.connections) == (engine, connections)]
    targets = _in_order(s.target for s in samples)
    floors = [target for target in targets if target.startswith("floor")]
    others = [target for target in targets if target not in ("ferroflow", *floors)]
    columns = [target for target in ("ferroflow", *floors, *others) if target in targets]
    ratios = [f"of {name}" for name in floors] + [f"× {name}" for name in others]
    head = ["call", *columns, "p50 / p95 ms", *(ratios if "ferroflow" in targets else []), "goal"]
    lines = []
    for call in _in_order(s.call for s in samples):
        cells = [call, *(_rate(results.rates(engine, call, connections, target)) for target in columns)]
        cells.append(_latency([s for s in samples if s.call == call and s.target == columns[0]]))
        if "ferroflow" in targets:
            ours = results.median(engine, call, connections, "ferroflow")
            for target in (*floors, *others):
                theirs = results.median(engine, call, connections, target)
                cells.append(_ratio(ours, theirs, as_share=target in floors))
        cells.append(_goal(results, engine, call, connections))
        lines.append("| " + " | ".join(cells) + " |")
    title = f"## {engine}, {connections} connection{'s' if connections > 1 else ''}: requests/s, median (min–max)\n"
    return "\n".join([title, "| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines, ""])


def _rate(rates: list[float]) -> str:
    if not rates:
        return "–"
    middle = _number(statistics.median(rates))
    return middle if len(rates) == 1 else f"{middle} ({_number(min(rates))}–{_number(max(rates))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _latency(samples: list[Sample]) -> str:
    timed = [s for s in samples if s.p50_ms is not None and s.p95_ms is not None and not s.problems]
    if not timed:
        return "–"
    columns = ([s.p50_ms for s in timed], [s.p95_ms for s in timed])
    return " / ".join(f"{statistics.median(values):.3g}" for values in columns)


def _ratio(ours: float | None, theirs: float | None, as_share: bool) -> str:
    if not ours or not theirs:
        return "–"
    return f"{ours / theirs:.0%}" if as_share else f"{ours / theirs:.3g}"


def _goal(results: Results, engine: str, call: str, connections: int) -> str:
    if connections == 1 and call in MEDIANS:
        samples = [s for s in results.samples if (s.engine, s.call, s.connections, s.target) == (engine, call, 1, "ferroflow")]
        return _median_goal(samples, MEDIANS[call])
    goal = GOALS.get((call, engine))
    if goal is None or connections != GOAL_CONNECTIONS:
        return ""
    ours, number, text = results.median(engine, call, connections, "ferroflow"), goal.number, ""
    if goal.target:
        against = results.median(engine, goal.call or call, connections, goal.target)
        text = f"{goal.number:.0%} of {goal.call or goal.target}: "
        if against is None:
            return text + "not measured"
        number = goal.number * against
    verdict = "" if ours is None else " ✓" if ours >= number else " ✗"
    return f"{text}{_number(number)}{verdict}"


def _median_goal(samples: list[Sample], most_ms: float) -> str:
    medians = [s.p50_ms for s in samples if s.p50_ms is not None and not s.problems]
    verdict = "" if not medians else " ✓" if statistics.median(medians) < most_ms else " ✗"
    return f"p50 under {most_ms:g} ms{verdict}"


def _footprints(footprints: list[Footprint]) -> str:
    lines = [
        "## Memory (PSS of the process tree) and cold start (exec to the first 200, database there)\n",
        "| target | engine | idle MiB | loaded MiB, at most | cold start, median (min–max) |",
        "|---|---|---|---|---|",
    ]
    for print_ in footprints:
        starts = [seconds * 1000 for seconds in print_.cold_starts]
        cold = "–"
        if starts:
            middle = statistics.median(starts)
            cold = f"{middle:.0f} ms ({min(starts):.0f}–{max(starts):.0f}, {len(starts)} times)"
        loaded = f"{print_.loaded_mib:.1f}"
        lines.append(f"| {print_.target} | {print_.engine} | {print_.idle_mib:.1f} | {loaded} | {cold} |")
    cold = f"{COLD_START_SECONDS * 1000:.0f} ms cold start"
    lines.append(f"\nGoals for Ferroflow: {IDLE_MIB} MiB idle, {LOADED_MIB} MiB loaded, {cold}.\n")
    return "\n".join(lines)
