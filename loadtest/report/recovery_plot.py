"""How users came back: the share recovered over time above, attempts to connect beneath."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from loadtest.analysis.herd import Return
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.values import Verdict
from loadtest.report.figure import COLORS, GREY, headings, new_figure, soften
from loadtest.report.units import duration
from loadtest.settings import Backoff

_BINS: Final = 120
_STEPS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


def recovery_plot(back: Return, planned: Backoff, subtitle: str, verdict: Verdict) -> Figure:
    """The figure.

    Args:
        planned: the schedule of attempts, whose windows are shaded.
    """
    figure = new_figure(9.6, 6.4)
    above, beneath = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1.0))
    end_s = _end(back)
    _share(above, back, end_s)
    step_s = _attempts(beneath, back, end_s)
    for axes in (above, beneath):
        _windows(axes, planned, end_s)
        soften(axes)
    beneath.set_xlim(0, end_s)
    whence = "the cut" if back.at_s is not None else "each loss"
    beneath.set_xlabel(f"time since {whence}, s (grey: when the schedule allows attempts, were each to fail at once)")
    beneath.set_ylabel(f"attempts in {duration(step_s) if step_s >= 1 else f'{step_s:g} s'}")
    title = (
        f"Recovery of {back.users:,} connections that were lost at {back.at_s:.1f} s"
        if back.at_s is not None
        else f"Recovery after {back.users:,} outages, each from its own loss"
    )
    headings(figure, above, title, subtitle, [verdict])
    return figure


def _end(back: Return) -> float:
    last = max((float(times[-1]) for times in (back.attempts, back.back, back.delivered) if len(times)), default=1.0)
    return 1.08 * max(last, 0.5)


def _share(axes: Axes, back: Return, end_s: float) -> None:
    curves = (("connected again", back.back, "-", 2.0), ("a message delivered again", back.delivered, "--", 1.6))
    for (label, times, style, width), color in zip(curves, COLORS, strict=False):
        _stairs(axes, times, back.users, end_s, label=f"{label}: {len(times):,}", style=style, width=width, color=color)
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("share of those lost")
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _stairs(
    axes: Axes, times: Floats, users: int, end_s: float, *, label: str, style: str, width: float, color: str
) -> None:
    shares = np.arange(len(times) + 1) / max(users, 1)
    axes.step(
        np.concatenate([[0.0], times, [end_s]]), np.concatenate([shares, shares[-1:]]), style, where="post",
        label=label, linewidth=width, color=color,
    )  # fmt: skip


def _attempts(axes: Axes, back: Return, end_s: float) -> float:
    step_s = next((step for step in _STEPS_S if end_s / step <= _BINS), _STEPS_S[-1])
    edges = np.arange(0.0, end_s + step_s, step_s)
    axes.hist(back.attempts, edges.tolist(), color=COLORS[0], alpha=0.85)
    axes.set_ylim(bottom=0)
    return float(step_s)


def _windows(axes: Axes, planned: Backoff, end_s: float) -> None:
    low = high = 0.0
    for attempt in range(planned.attempts):
        least, most = planned.bounds(attempt)
        low, high = low + least, high + most
        if low >= end_s:
            return
        axes.axvspan(low, high, color=GREY, alpha=0.16, linewidth=0)
