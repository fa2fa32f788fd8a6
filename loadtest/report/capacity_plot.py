"""A capacity in one picture: latency and throughput over users, the objective, and what each level said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from loadtest.analysis.capacity import Capacity, Level, spoken
from loadtest.analysis.capacity_search import Word
from loadtest.analysis.slo.values import Result
from loadtest.report.capacity_table import headline, label_of
from loadtest.report.figure import COLORS, GREY, WARNING, cut, literal, logarithmic, new_figure, soften
from loadtest.report.units import milliseconds

_LOOKS: Final = {
    Word.PASS: ("o", COLORS[2], "pass"),
    Word.FAIL: ("X", WARNING, "FAIL"),
    Word.INCONCLUSIVE: ("D", COLORS[4], "inconclusive"),
    Word.UNSOUND: ("s", GREY, "generator unsound"),
}
_PANELS: Final = 3
"""Latencies that are drawn, at most."""


def capacity_plot(result: Capacity, host: str) -> Figure:
    """A panel for each latency that was asked for, with its limit; beneath, messages a second.

    Of a level that was run again only what speaks: see `analysis.capacity.spoken`.
    """
    levels = sorted(spoken(result.levels), key=lambda each: each.users)
    places = [place for place, each in enumerate(levels[0].objectives) if each.unit == "ms"][:_PANELS]
    figure = new_figure(9.6, 2.4 + 2.2 * len(places) + 1.4)
    panels = figure.subplots(len(places) + 1, 1, sharex=True, squeeze=False)[:, 0]
    for axes, place in zip(panels, places, strict=False):
        _latency(axes, levels, place)
    _throughput(panels[-1], levels)
    for axes in panels:
        _bracket(axes, result)
        soften(axes)
    panels[-1].set_xlabel(
        "users" if result.fails_at_users is None else "users (grey: between the highest pass and the lowest fail)"
    )
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].set_xlim(left=0)
    panels[0].legend(
        handles=_legend(panels[0], levels), loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, fontsize=8
    )
    panels[0].set_title(literal(f"{host} · {', '.join(result.objectives)}"), loc="left", fontsize=9, color=GREY, pad=18)
    figure.suptitle(literal(cut(headline(result), 95)), x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _latency(axes: Axes, levels: Sequence[Level], place: int) -> None:
    results = [each.objectives[place] for each in levels]
    users = np.array([each.users for each in levels], np.float64)
    values = np.array([_value(each) for each in results])
    finite = np.isfinite(values)
    axes.plot(users[finite], values[finite], "-", color=COLORS[0], linewidth=1.4, zorder=1)
    low, high = np.array([each.ci95 if each.ci95 else (np.nan, np.nan) for each in results], np.float64).T
    axes.vlines(users, low, high, color=COLORS[0], linewidth=3.0, alpha=0.4)
    for each, value in zip(levels, values, strict=True):
        marker, color, _ = _LOOKS[each.verdict]
        if np.isfinite(value):
            axes.plot([each.users], [value], marker, color=color, markersize=7, zorder=3)
        elif np.isinf(value):  # among the unanswered: beyond every latency
            axes.plot([each.users], [0.97], "^", color=color, markersize=8, transform=axes.get_xaxis_transform())
    limit = results[0].limit
    axes.axhline(limit, color="black", linewidth=1.0, linestyle="--")
    axes.annotate(
        literal(results[0].objective), (0, limit), (4, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", fontsize=8,
    )  # fmt: skip
    known = np.concatenate([values[finite], [limit], high[np.isfinite(high)]])
    if known.min() > 0 and known.max() > 20 * known.min():
        logarithmic(axes)
        axes.set_ylim(known.min() / 1.6, known.max() * 2.0)
    else:
        axes.set_ylim(0, 1.15 * known.max())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: milliseconds(value)))
    axes.set_ylabel(label_of(results[0]))


def _throughput(axes: Axes, levels: Sequence[Level]) -> None:
    users = [each.users for each in levels]
    for name, style, color, label in (
        ("sent_per_s", "--", GREY, "sent"),
        ("delivered_per_s", "-", COLORS[0], "delivered"),
    ):
        values = [np.nan if (value := getattr(each, name)) is None else value for each in levels]
        axes.plot(users, values, style, color=color, linewidth=1.4, marker=".", label=label)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("messages / s")
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def _bracket(axes: Axes, result: Capacity) -> None:
    if result.fails_at_users is not None:
        axes.axvspan(result.passes_at_users or 0, result.fails_at_users, color="#000000", alpha=0.06, linewidth=0)


def _legend(axes: Axes, levels: Sequence[Level]) -> list[object]:
    handles: list[object] = []
    for word in dict.fromkeys(each.verdict for each in levels):
        marker, color, label = _LOOKS[word]
        handles += axes.plot([], [], marker, color=color, label=label)
    return handles


def _value(result: Result) -> float:
    if result.value is not None:
        return result.value
    return float("inf") if result.beyond else float("nan")
