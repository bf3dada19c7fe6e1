"""Draws the medians as an SVG: a group of bars for each call, a panel for each engine, on a logarithmic scale.

Written by hand, so that nothing needs to be installed; readable on light and on dark pages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

# Colours that differ in lightness too, for those who see few hues; name of the target, words, light page, dark page.
TARGETS = (
    ("ferroflow", "Ferroflow", "#c2410c", "#fb923c"),
    ("floor", "the database alone", "#9ca3af", "#6b7280"),
    ("fasttrackml", "FastTrackML", "#0f766e", "#2dd4bf"),
    ("official", "MLflow 3.7.0", "#1d4ed8", "#60a5fa"),
)
FONT = "11px system-ui, -apple-system, 'Segoe UI', sans-serif"
BAR, GAP, TOP, LEFT, PANEL, BETWEEN, RIGHT, BOTTOM = 7, 9, 66, 118, 330, 62, 56, 30


@dataclass(frozen=True)
class Panel:
    """The medians on one engine: requests a second by call and target."""

    title: str
    rates: dict[str, dict[str, float]]


def svg(panels: list[Panel], subtitle: str) -> str:
    """The whole picture."""
    calls = list(dict.fromkeys(call for panel in panels for call in panel.rates))
    shown = [t for t in TARGETS if any(t[0] in rates for panel in panels for rates in panel.rates.values())]
    values = [rate for panel in panels for rates in panel.rates.values() for rate in rates.values() if rate > 0]
    if not values or not shown:
        return _document(LEFT + PANEL + RIGHT, TOP, [_text(14, 22, "Nothing was measured", "title")])
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    group = len(shown) * BAR + GAP
    height = TOP + len(calls) * group + BOTTOM
    width = LEFT + len(panels) * PANEL + (len(panels) - 1) * BETWEEN + RIGHT
    parts = [_text(14, 22, "Requests a second, longer is faster, logarithmic", "title"), _text(14, 40, subtitle, "quiet")]
    parts += _legend(shown, width)
    for row, call in enumerate(calls):
        middle = TOP + row * group + (group - GAP) / 2
        parts.append(_text(LEFT - 8, middle + 4, call, "call", "end"))
    for number, panel in enumerate(panels):
        left = LEFT + number * (PANEL + BETWEEN)
        parts.append(_text(left, TOP - 8, panel.title, "call"))
        parts += _grid(left, low, high, height)
        for row, call in enumerate(calls):
            for place, (target, *_) in enumerate(shown):
                rate = panel.rates.get(call, {}).get(target)
                if rate:
                    parts += _bar(left, TOP + row * group + place * BAR, rate, low, high, target)
    return _document(width, height, parts)


def _bar(left: float, top: float, rate: float, low: int, high: int, target: str) -> list[str]:
    length = max(1.0, PANEL * (math.log10(rate) - low) / (high - low))
    words = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
    style = "value first" if target == "ferroflow" else "value"
    return [
        f'<rect class="{target}" x="{left}" y="{top:g}" width="{length:.1f}" height="{BAR - 1}" rx="1"/>',
        _text(left + length + 4, top + BAR - 1, words, style),
    ]


def _grid(left: float, low: int, high: int, height: float) -> list[str]:
    parts = []
    for power in range(low, high + 1):
        x = left + PANEL * (power - low) / (high - low)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 2}" x2="{x:.1f}" y2="{height - BOTTOM}"/>')
        parts.append(_text(x, height - BOTTOM + 14, f"{10**power:,}" if power >= 0 else f"{10.0**power:g}", "quiet", "middle"))
    return parts


def _legend(shown: list[tuple[str, str, str, str]], width: float) -> list[str]:
    parts, x = [], width - RIGHT
    for target, words, *_ in reversed(shown):
        x -= 6.2 * len(words)
        parts.append(_text(x, 22, words, "quiet"))
        x -= 14
        parts.append(f'<rect class="{target}" x="{x:.1f}" y="13" width="10" height="10" rx="2"/>')
        x -= 14
    return parts


def _text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _document(width: float, height: float, parts: list[str]) -> str:
    light = "".join(f".{target} {{ fill: {colour} }} " for target, _, colour, _ in TARGETS)
    dark = "".join(f".{target} {{ fill: {colour} }} " for target, _, _, colour in TARGETS)
    style = (
        f"text {{ font: {FONT}; fill: #1f2937 }} .title {{ font-weight: 600; font-size: 13px }} .quiet {{ fill: #6b7280 }} "
        ".value { font-size: 8px; fill: #6b7280 } .first { fill: #1f2937; font-weight: 600 } "
        f"line {{ stroke: #e5e7eb }} .page {{ fill: #ffffff }} {light}"
        "@media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .quiet, .value { fill: #9ca3af } .first { fill: #e5e7eb } "
        f"line {{ stroke: #30363d }} .page {{ fill: #0d1117 }} {dark}}}"
    )
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Requests a second of each server">'
    return "\n".join([head, f"<style>{style}</style>", '<rect class="page" width="100%" height="100%"/>', *parts, "</svg>", ""])
