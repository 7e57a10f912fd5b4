"""Charts as inline SVG: colours come from the page's style sheet, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from bpft.report import units
from bpft.report.render import scale

_TOP, _BOTTOM, _RIGHT = 14, 26, 6  # margins
_LETTER = 6.6  # width of a letter of the axis, about
_MOST_GAP = 3.0


class Column(NamedTuple):
    """What passed in one time bucket that was watched."""

    begin_ns: int  #: UTC
    end_ns: int
    label: str
    parts: tuple[int, ...]  #: bit/s of each way, stacked from below
    bytes: int  #: all of it
    size: str  #: the same for people


def bar(parts: Sequence[int], most: int, ways: Sequence[str]) -> str:
    """A bar in a row of a table, as long as its parts are of most; decoration, since the figures stand beside it."""
    drawn, at = [], 0.0
    for part, way in zip(parts, ways, strict=True):
        length = 100 * part / most if most else 0.0
        if length:
            drawn.append(f'<rect class="{way}" x="{at:.2f}" width="{length:.2f}" height="8"/>')
        at += length
    return f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{"".join(drawn)}</svg>'


def columns(
    drawn: Sequence[Column], ways: Sequence[tuple[str, str]], p95: int, title: str, size: tuple[int, int]
) -> str:
    """Stacked columns over time; ways: class and name of each part; p95: bit/s of a dashed line, 0: none."""
    width, height = size
    begin, end = drawn[0].begin_ns, max(column.end_ns for column in drawn)
    peak = max(sum(column.parts) for column in drawn)
    steps = scale.amounts(peak, 4)
    labels = [f"{scale.amount(step)}bit/s" if step else "0" for step in steps]
    left = _LETTER * max(map(len, labels)) + 8
    room, rise = width - left - _RIGHT, height - _TOP - _BOTTOM

    def x(ns: int) -> float:
        return left + room * (ns - begin) / (end - begin)

    def y(bps: int) -> float:
        return _TOP + rise * (1 - bps / steps[-1])

    shapes = [f"<title>{escape(title)}</title>"]
    for step, label in zip(steps, labels, strict=True):
        shapes.append(
            f'<line class="grid" x1="{left:.1f}" x2="{width - _RIGHT}" y1="{y(step):.1f}" y2="{y(step):.1f}"/>'
        )
        shapes.append(f'<text class="axis" x="{left - 8:.1f}" y="{y(step) + 4:.1f}" text-anchor="end">{label}</text>')
    for first, last in gaps(drawn):
        length = x(last) - x(first)
        shapes.append(f'<rect class="gap" x="{x(first):.1f}" width="{length:.1f}" y="{_TOP}" height="{rise}"/>')
    shapes += [_column(column, ways, x, y) for column in drawn]
    for ns, label in scale.times(begin, end, max(2, int(room / 74))):
        anchor = "start" if x(ns) < left + 4 else "end" if x(ns) > width - 20 else "middle"
        shapes.append(f'<text class="axis" x="{x(ns):.1f}" y="{height - 8}" text-anchor="{anchor}">{label}</text>')
    if p95:
        shapes.append(f'<line class="p95" x1="{left:.1f}" x2="{width - _RIGHT}" y1="{y(p95):.1f}" y2="{y(p95):.1f}"/>')
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(shapes)}</svg>'


def gaps(drawn: Sequence[Column]) -> list[tuple[int, int]]:
    """When nothing was watched between columns, in UTC nanoseconds."""
    return [(one.end_ns, after.begin_ns) for one, after in pairwise(drawn) if one.end_ns < after.begin_ns]


def _column(
    column: Column, ways: Sequence[tuple[str, str]], x: Callable[[int], float], y: Callable[[int], float]
) -> str:
    """One column with what a pointer that rests on it is told."""
    begin, end = x(column.begin_ns), x(column.end_ns)
    gap = min(_MOST_GAP, (end - begin) / 4)
    told = ", ".join(f"{name} {units.pace(part)}" for (_, name), part in zip(ways, column.parts, strict=True) if part)
    shapes, done = [f"<title>{escape(column.label)}: {column.size}{told and ', '}{told}</title>"], 0
    for (way, _), part in zip(ways, column.parts, strict=True):
        if part:
            top, height = y(done + part), y(done) - y(done + part)
            shapes.append(
                f'<rect class="{way}" x="{begin + gap / 2:.1f}" width="{end - begin - gap:.1f}" '
                f'y="{top:.1f}" height="{height:.1f}"/>'
            )
        done += part
    return f"<g>{''.join(shapes)}</g>"
