"""Latency against percentile on the usual 1 / (1 - q) axis, one curve a metric and a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from loadtest.analysis.curves import Band, Curve
from loadtest.analysis.values import Verdict
from loadtest.metrics import BY_KEY
from loadtest.report.figure import COLORS, LINES, MARKERS, cut, headings, literal, logarithmic, new_figure, soften
from loadtest.report.units import milliseconds

TICKS: Final = {
    1: "0",
    2: "50",
    4: "75",
    10: "90",
    20: "95",
    100: "99",
    1e3: "99.9",
    1e4: "99.99",
    1e5: "99.999",
    1e6: "99.9999",
}
"""1 / (1 - q) to the percentile."""


_NAME_WIDTH: Final = 60
"""Characters of a run's name in the legend."""
_LEGEND_WIDTH: Final = 110
"""Characters that stand beside each other beneath the plot, less what the lines take."""


@dataclass(frozen=True, slots=True, eq=False)
class RunCurves:
    """The curves of one run.

    Attributes:
        label: what tells the run from the others.
        subtitle: what was measured, in words.
        verdict: of the run.
        curves: by metric.
    """

    label: str
    subtitle: str
    verdict: Verdict
    curves: Sequence[Curve]


def percentile_plot(runs: Sequence[RunCurves]) -> Figure:
    """The figure. A colour and a line style mean a metric where there is one run, a run where there are several."""
    figure = new_figure(9.6, 6.0)
    axes = figure.add_subplot()
    curves = [(run, curve) for run in runs for curve in run.curves]
    _scales(axes, [curve for _, curve in curves])
    handles = [_draw(axes, place, curve, _label(run, curve, len(runs))) for place, (run, curve) in enumerate(curves)]
    _bands(axes, [curve.band for _, curve in curves])
    longest = max(len(str(handle.get_label())) for handle in handles)
    ncols = next(count for count in (3, 2, 1) if count == 1 or count * longest <= _LEGEND_WIDTH)
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols, frameon=False)
    names = list(dict.fromkeys(BY_KEY[curve.metric].label for _, curve in curves))
    title = " · ".join(names) if len(names) < 4 else "Latency"
    subtitle = runs[0].subtitle if len(runs) == 1 else f"{len(runs)} runs; headline messages of the steady window"
    headings(figure, axes, f"{title[0].upper()}{title[1:]} by percentile", subtitle, [run.verdict for run in runs])
    return figure


def _label(run: RunCurves, curve: Curve, runs: int) -> str:
    metric = BY_KEY[curve.metric]
    name = metric.label if runs == 1 else f"{cut(run.label, _NAME_WIDTH)}: {metric.label}"
    label = f"{name}, n = {curve.count:,}"
    return f"{label}, {curve.unanswered:,} unanswered" if curve.unanswered else label


def _scales(axes: Axes, curves: Iterable[Curve]) -> None:
    curves = list(curves)
    longest = max(curve.count for curve in curves)
    axes.set_xscale("log")
    axes.set_xlim(1, max(longest * 1.15, 12))
    shown = [tail for tail in TICKS if tail <= axes.get_xlim()[1]]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tail, _: TICKS.get(tail, "")))
    axes.xaxis.set_minor_formatter(NullFormatter())
    banded = any(curve.band is not None for curve in curves)
    axes.set_xlabel(f"percentile{' (bands: 95 % intervals within the run)' if banded else ''}")
    units = {BY_KEY[curve.metric].unit for curve in curves}
    finite = np.concatenate([curve.values[np.isfinite(curve.values) & (curve.values > 0)] for curve in curves])
    if len(finite) and finite.max() > 20 * finite.min():
        logarithmic(axes)
    if units == {"ms"}:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: milliseconds(value)))
        axes.set_ylabel("latency")
    else:
        axes.set_ylabel(" and ".join(sorted(units)))
    soften(axes)


def _draw(axes: Axes, place: int, curve: Curve, label: str) -> Line2D:
    color, line, marker = COLORS[place % len(COLORS)], LINES[place % len(LINES)], MARKERS[place % len(MARKERS)]
    answered = np.isfinite(curve.values)
    tails, values = curve.tails[answered], curve.values[answered]
    firm = tails <= curve.firm
    axes.plot(tails[firm], values[firm], color=color, linestyle=line, linewidth=2.0)
    loose = tails >= (tails[firm][-1] if firm.any() else 0)
    axes.plot(tails[loose], values[loose], color=color, linestyle=line, linewidth=1.0, alpha=0.7)
    if len(tails):
        at = [tail for tail in TICKS if 2 <= tail <= tails[-1]]
        axes.plot(at, np.interp(at, tails, values), color=color, linestyle="none", marker=marker, markersize=5.5)
        if curve.unanswered:
            _leave(axes, tails[-1], values[-1], color)
    return Line2D(
        [], [], color=color, linestyle=line, marker=marker, linewidth=2.0, markersize=5.5, label=literal(label)
    )


def _bands(axes: Axes, bands: Sequence[Band | None]) -> None:
    """Behind the curves, up to the upper edge where they reach into the unanswered."""
    shown = [(place, band) for place, band in enumerate(bands) if band is not None]
    for _, band in shown:
        ends = np.concatenate([band.low, band.high])
        finite = ends[np.isfinite(ends) & (ends > 0)]
        axes.update_datalim([(band.tails[0], value) for value in finite], updatex=False)
    axes.autoscale_view(scalex=False)
    axes.set_ylim(axes.get_ylim())
    top = axes.get_ylim()[1]
    for place, band in shown:
        axes.fill_between(
            band.tails, band.low, np.minimum(band.high, top), color=COLORS[place % len(COLORS)], alpha=0.18,
            linewidth=0, zorder=1,
        )  # fmt: skip


def _leave(axes: Axes, tail: float, value: float, color: str) -> None:
    """An arrow to the top: from here on, answers never came."""
    axes.annotate(
        "", xy=(tail, 1.0), xycoords=("data", "axes fraction"), xytext=(tail, value), textcoords="data",
        arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.2, "linestyle": ":", "shrinkA": 0},
    )  # fmt: skip
