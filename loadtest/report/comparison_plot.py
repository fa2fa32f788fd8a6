"""A comparison in one picture: how far each quantile moved, and every pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter

from loadtest.analysis.compare import Change, Comparison, Kind, Word
from loadtest.analysis.shift import Shift
from loadtest.analysis.values import Verdict
from loadtest.metrics import BY_KEY
from loadtest.report.comparison_table import headline
from loadtest.report.figure import COLORS, GREY, MARKERS, WARNING, cut, literal, new_figure, soften, stamp_invalid

_BAND: Final = "#dddddd"
_WORD_COLORS: Final = {Word.REGRESSED: WARNING, Word.IMPROVED: COLORS[2], Word.EQUIVALENT: GREY}
_TITLE: Final = 70
"""Characters of the headline."""
_ROWS: Final = 8
"""Quantities of which the pairs are shown: gates, and then the largest changes."""


def comparison_plot(result: Comparison, shifts: Sequence[Shift], subtitle: str, verdicts: Sequence[Verdict]) -> Figure:
    """Above, the shift of each quantile of each metric with its band; below, the pairs of each quantity as dots."""
    figure = new_figure(9.6, 7.6)
    parts: list[SubFigure] = figure.subfigures(2 if shifts else 1, 1, squeeze=False)[:, 0].tolist()
    panels = parts[0].subplots(1, len(shifts), squeeze=False)[0].tolist() if shifts else []
    for place, (axes, one) in enumerate(zip(panels, shifts, strict=True)):
        _shift(axes, one, COLORS[place % len(COLORS)], result)
    lower = parts[-1].subplots()
    _pairs(lower, list(result.metrics.values())[: max(_ROWS, len(result.gated))], result)
    title = literal(f"{_word(result)}: {cut(headline(result), _TITLE)}\n")
    figure.suptitle(
        title, x=0.01, ha="left", fontsize=12, fontweight="bold",
        color=WARNING if result.verdict is Word.REGRESSED else "black",
    )  # fmt: skip
    first = panels[0] if panels else lower
    words = first.annotate(
        literal(cut(subtitle)),
        (0, 1),
        (0, 20),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        color=GREY,
    )
    words.set_in_layout(False)  # as wide as the figure, not as its first panel
    if panels:
        first.set_ylabel("change, candidate to base")
    if any(verdict.status == "invalid" for verdict in verdicts):
        stamp_invalid(lower)
    return figure


def _shift(axes: Axes, one: Shift, color: str, result: Comparison) -> None:
    percentiles = 100 * one.quantiles
    axes.axhspan(*_ends(result.margin), color=_BAND, alpha=0.6, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.8)
    for pair in one.each:
        axes.plot(percentiles, _change(pair), color=GREY, linewidth=0.6, alpha=0.5)
    if np.isfinite(one.low).any():
        axes.fill_between(percentiles, _change(one.low), _change(one.high), color=color, alpha=0.25, linewidth=0)
    axes.plot(percentiles, _change(one.ratio), color=color, linewidth=2.0)
    if not len(percentiles):
        axes.text(0.5, 0.6, "too few samples, or unanswered", transform=axes.transAxes, ha="center", color=GREY)
    axes.set_title(BY_KEY[one.metric].label, loc="left", fontsize=10)
    axes.set_xlabel("percentile")
    axes.set_xlim(0, 100)
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    soften(axes)


def _pairs(axes: Axes, changes: Sequence[Change], result: Comparison) -> None:
    reach = _reach([change for change in changes if change.gated] or changes)
    axes.axvline(0, color="black", linewidth=0.8)
    names = []
    for place, change in enumerate(changes):
        color, row = _WORD_COLORS.get(change.verdict, "black"), -place
        low, high = _ends(change.margin)
        axes.barh(row, high - low, 1.0, low, color=_BAND, alpha=0.6, linewidth=0, zorder=0)
        dots = _change(np.array(change.pair_ratios, np.float64))
        spread = np.linspace(-0.22, 0.22, len(dots)) if len(dots) > 1 else np.zeros(len(dots))
        axes.plot(dots, row + spread, linestyle="none", marker="o", markersize=4, color=GREY, alpha=0.7)
        if change.ci95 is not None:
            ends = np.array([math.inf if end is None else end for end in change.ci95])
            axes.plot(np.minimum(_change(ends), reach), [row, row], color=color, linewidth=3.0, alpha=0.8)
        at = 100 * (change.ratio - 1)
        marker = (">" if at > 0 else "<") if abs(at) > reach else "D" if change.gated else MARKERS[0]
        # one that lies outside is an arrow at the edge
        axes.plot([np.clip(at, -reach, reach)], [row], marker=marker, markersize=7, color=color, clip_on=False)
        word = change.verdict.upper() if change.verdict is Word.REGRESSED else str(change.verdict)
        axes.annotate(
            word, (1.0, row), (8, -3), xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=9,
            color=color,
        )  # fmt: skip
        names.append(change.label if change.gated else f"{change.label} (not gated)")
    axes.set_xlim(-reach, reach)
    axes.set_yticks([-place for place in range(len(names))], names, fontsize=9)
    axes.set_xlabel(_legend(result))
    axes.xaxis.set_major_formatter(FuncFormatter(_percent))
    soften(axes)


def _reach(changes: Sequence[Change]) -> float:
    """Per cent for which there is room: what decides; an interval of something else may run out of the picture."""
    found = (end for each in changes for end in (each.ratio, *(each.ci95 or ()), *each.pair_ratios))
    ends: list[float] = [end for end in found if end is not None]
    return 1.15 * max(100 * (max(*ends, 1.0) - 1), 100 * (1 - min(*ends, 1.0)), 10.0)


def _legend(result: Comparison) -> str:
    dots = "grey dots: pairs; " if result.kind is Kind.PAIRED else ""
    return f"change; {dots}bar: 95 % interval of the mean (curves: pointwise); grey band: margin of each"


def _ends(margin: float) -> tuple[float, float]:
    """Of a margin, in per cent."""
    return 100 * (1 / (1 + margin) - 1), 100 * margin


def _change(ratios: np.ndarray) -> np.ndarray:
    return 100 * (ratios - 1)


def _percent(value: float, _place: int | None = None) -> str:
    return f"{value:+g} %" if value else "0"


def _word(result: Comparison) -> str:
    return result.verdict.upper() if result.verdict is Word.REGRESSED else str(result.verdict).capitalize()
