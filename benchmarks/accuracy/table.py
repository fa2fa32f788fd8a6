"""Cells as lines, as JSON, and counted."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from benchmarks.machine import Facts, hardware
from loadtest import __version__
from loadtest.analysis.accuracy import MetricAccuracy, PercentileError
from loadtest.analysis.promise import PROMISED
from loadtest.analysis.selftest import Level
from loadtest.report.units import DASH, milliseconds


class Cell(Struct, frozen=True):
    """One cell of the grid.

    Attributes:
        tool: `loadtest` or `k6`.
        verdict: the run's own; empty for k6, which has none.
        reason: the first of the verdict's, or why there is no run to judge.
        metrics: against the truth; ack, first token and completion.
        judgement: of the verdict; of k6 `within` or `beyond` alone.
    """

    tool: str
    load: str
    stall: str
    messages_per_s: float
    frames_per_s: float | None
    cpu_us_per_frame: float | None
    generator_cpu: float | None
    server_cpu: float | None
    verdict: str
    reason: str
    metrics: dict[str, MetricAccuracy]
    judgement: str


def of_level(load: str, stall: str, level: Level) -> Cell:
    """A cell of ours."""
    return Cell(
        "loadtest", load, stall, level.messages_per_s, level.frames_per_s, level.cpu_us_per_frame, level.generator_cpu,
        level.server_cpu, level.verdict.status, (level.verdict.reasons or [""])[0],
        level.accuracy.metrics if level.accuracy else {}, str(level.judgement),
    )  # fmt: skip


def of_nothing(load: str, stall: str, reason: str) -> Cell:
    """A cell whose run left no numbers: it shows nothing."""
    return Cell("loadtest", load, stall, 0.0, None, None, None, None, "", reason, {}, NOTHING)


def of_k6(load: str, stall: str, metrics: Mapping[str, MetricAccuracy], per_s: float) -> Cell:
    """A cell of k6."""
    errors = [metrics[key].percentiles["p99"] for key in PROMISED]
    known = [error for error in errors if error is not None]
    judgement = "open" if len(known) < len(errors) else "within" if all(e.within for e in known) else "beyond"
    return Cell("k6", load, stall, per_s, None, None, None, None, "", "", dict(metrics), judgement)


NOTHING = "nothing"

HEADER = (
    f"{'tool':9}{'load':22}{'stall':22}{'msg/s':>6}{'frames/s':>9}{'CPU':>6}  {'ack p99':>8}{'error':>9}{'allowed':>9}"
    f"  {'ttft p99':>8}{'error':>9}{'allowed':>9}  {'verdict':9}{'judgement':10}reason"
)


def line(cell: Cell) -> str:
    """One cell."""
    frames = DASH if cell.frames_per_s is None else f"{cell.frames_per_s:,.0f}"
    cpu = DASH if cell.generator_cpu is None else f"{100 * cell.generator_cpu:.0f} %"
    errors = "".join(f"  {_cells(cell.metrics.get(key))}" for key in PROMISED)
    return (
        f"{cell.tool:9}{cell.load:22}{cell.stall:22}{cell.messages_per_s:6.0f}{frames:>9}{cpu:>6}{errors}  "
        f"{cell.verdict or DASH:9}{cell.judgement:10}{cell.reason[:90]}"
    ).rstrip()


def _cells(metric: MetricAccuracy | None) -> str:
    error: PercentileError | None = metric.percentiles["p99"] if metric else None
    if error is None:
        return f"{DASH:>8}{DASH:>9}{DASH:>9}"
    values = (error.true_ms, round(error.error_ms, 3), error.allowed_ms)
    true, off, allowed = (milliseconds(value) for value in values)
    return f"{true:>8}{off:>9}{allowed:>9}"


def counts(cells: Iterable[Cell]) -> dict[str, dict[str, int]]:
    """Cells by tool and judgement."""
    found: dict[str, Counter[str]] = {}
    for cell in cells:
        found.setdefault(cell.tool, Counter())[cell.judgement] += 1
    return {tool: dict(counter) for tool, counter in found.items()}


def machine() -> Facts:
    """What the figures were taken on."""
    return hardware() | {"python": platform.python_version(), "loadtest": __version__}
