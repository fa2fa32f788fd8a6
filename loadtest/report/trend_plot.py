"""A trend in one picture: a panel for each quantity, its levels, and where they begin."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from loadtest.analysis.sample import QUANTITIES
from loadtest.analysis.trend import LevelShift, Trend
from loadtest.report.figure import COLORS, GREY, MARKERS, VERDICT_COLORS, WARNING, cut, literal, new_figure, soften
from loadtest.report.trend_table import headline
from loadtest.report.units import amount

_NAMED: Final = 2
"""Newest shifts of a panel that are named over it; each has its line."""
_SINCE: Final = 24
_TICK: Final = 10
"""Characters of a run's name there, and beneath a night, where eight stand beside each other."""


def trend_plot(result: Trend) -> Figure:
    """The runs from left to right, evenly: nights without a run leave no gap."""
    figure = new_figure(9.6, 1.2 + 2.0 * len(result.keys))
    panels = np.atleast_1d(figure.subplots(len(result.keys), 1, sharex=True))
    for place, (axes, key) in enumerate(zip(panels, result.keys, strict=True)):
        _panel(axes, key, result, COLORS[place % len(COLORS)])
    panels[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda at, _: _night(at, result)))
    panels[-1].set_xlabel("night")
    title = headline(result)
    figure.suptitle(f"{title[0].upper()}{title[1:]}", x=0.01, ha="left", fontsize=12, fontweight="bold")
    _legend(figure)
    return figure


def _panel(axes: Axes, key: str, result: Trend, color: str) -> None:
    what = QUANTITIES[key]
    places = [place for place, row in enumerate(result.rows) if key in row.values]
    values = [result.rows[place].values[key] for place in places]
    axes.plot(places, values, color=color, linewidth=0.8, alpha=0.6)
    for status, marker in (("valid", MARKERS[0]), ("suspect", "^"), ("invalid", "x")):
        own = [(at, value) for at, value in zip(places, values, strict=True) if result.rows[at].status == status]
        if own:
            edge = color if status == "valid" else VERDICT_COLORS[status]
            axes.plot(*zip(*own, strict=True), linestyle="none", marker=marker, markersize=5, color=edge,
                      label="" if status == "valid" else f"{status} run")  # fmt: skip
    shifts = [shift for shift in result.shifts if shift.key == key]
    for shift in shifts:
        axes.axvline(shift.place - 0.5, color=_tone(shift), linewidth=1.2, linestyle="--")
    if shifts:
        words = " · ".join(
            f"{100 * (shift.ratio - 1):+.1f} % since {cut(shift.label, _SINCE)}" for shift in shifts[-_NAMED:]
        )
        axes.set_title(literal(words), loc="right", fontsize=9, color=_tone(shifts[-1]))
    axes.set_title(what.label, loc="left", fontsize=10)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, what.unit)))
    if not what.unit:  # a share has an end
        axes.set_ylim(min(*values, 0.995) - 0.002, 1.001)
    soften(axes)


def _tone(shift: LevelShift) -> str:
    return WARNING if shift.worse else GREY


def _legend(figure: Figure) -> None:
    """What the marks of runs that are not valid mean, once for all panels."""
    handles = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(handles.values(), handles.keys(), fontsize=8, frameon=False, loc="outside lower right", ncols=2)


def _night(at: float, result: Trend) -> str:
    place = round(at)
    if not 0 <= place < len(result.rows) or abs(at - place) > 1e-6:
        return ""
    row = result.rows[place]
    day = datetime.fromisoformat(row.started_utc).strftime("%d %b")
    name = row.labels.get(result.label, "") if result.label else ""
    return literal(f"{day}\n{cut(name, _TICK)}" if name else day)
