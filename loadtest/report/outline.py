"""What a summary says, in which order: the text and the Markdown of it are two renderings of one outline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from loadtest.analysis.values import Metrics, MetricSummary, Summary
from loadtest.metrics import BY_KEY, HEADLINE, METRICS, PERCENTILES
from loadtest.report.units import DASH, duration, milliseconds, number, percent, quantity, span

COLUMNS: Final = ("p50", "p90", "p95", "p99", "p99.9", "max", "count")
_FIELDS: Final = ("p50", "p90", "p95", "p99", "p99_9", "max")

_TOLD: Final = ("p50", "p95", "p99")
"""Percentiles whose interval is told; `summary.json` has all."""

_OUTCOMES: Final = ("rejected", "error", "timeout", "lost", "dropped", "unfinished")
_STATES: Final = ("incomplete", "interrupted", "errored", "unfinished", "missing", "not_expected")
_POPULATIONS: Final = {
    "limit": "at or above the limit",
    "outage": "own outages",
    "queued": "waited in the offline queue",
}
_SEEN: Final = {
    "unknown_event": "unknown events",
    "unknown_field": "unknown fields",
    "malformed_frame": "malformed frames",
    "invalid_event": "invalid events",
    "binary_frame": "binary frames",
    "connection_error": "connection errors",
    "error_unattributed": "errors that name no message",
    "stream_violation": "stream violations",
    "late_ack": "acks after the timeout",
    "duplicate_ack": "duplicate acks",
    "unmatched_ack": "acks for no message of ours",
    "unmatched_stream": "stream frames for no message seen",
    "reads_without_stamp": "reads without a kernel stamp",
    "hook_error": "errors in hooks of the locustfile",
}
_AT_MOST: Final = 5
"""Keys shown of one counter."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: its name and a cell for each of `COLUMNS`."""

    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that belong together; `title` is empty for the first ones."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """The content of a summary.

    Attributes:
        ledger: one line that adds up.
        status: `valid`, `suspect` or `invalid`.
        verdict: what stands behind the status, one line.
        reasons: what speaks against the run.
        basis: what the percentiles are over.
        intervals: 95 % intervals of headline percentiles, a line each.
        notes: lines on what there is something to say about.
    """

    ledger: str
    status: str
    verdict: str
    reasons: tuple[str, ...]
    basis: str
    blocks: tuple[Block, ...]
    footnote: str
    intervals: tuple[str, ...]
    notes: tuple[str, ...]


def outline(summary: Summary) -> Outline:
    """Arrange a summary."""
    blocks = tuple(block for block in _blocks(summary) if block.rows)
    return Outline(
        ledger=_ledger(summary),
        status=summary.verdict.status,
        verdict=_verdict(summary),
        reasons=tuple(summary.verdict.reasons),
        basis=f"percentiles over {duration(summary.run.window.seconds)}, {summary.run.window.note}",
        blocks=blocks,
        footnote=_footnote(summary, blocks),
        intervals=tuple(_intervals(summary)),
        notes=tuple(_notes(summary)),
    )


def _ledger(summary: Summary) -> str:
    run, counts = summary.run, summary.counts
    users = f"{run.users:,} users" if run.users is not None else "users by a shape"
    parts = [f"{number(counts['delivered'])} delivered"]
    parts += [f"{number(counts[name])} {name}" for name in _OUTCOMES if counts[name]]
    gap = "not known" if counts["unaccounted"] is None else number(counts["unaccounted"])
    messages = f"{number(counts['sent'])} messages = {' + '.join(parts)}; unaccounted {gap}"
    return f"{users}, {duration(run.duration_s)}, {messages}"


def _verdict(summary: Summary) -> str:
    lags = [
        f"{BY_KEY[key].label} p99 {milliseconds(summary.metrics[key].p99)}"
        for key in ("send_lag", "receive_lag", "stamp_bound")
        if summary.metrics[key].p99 is not None
    ]
    return ", ".join(lags)


def _blocks(summary: Summary) -> Iterable[Block]:
    metrics = summary.metrics
    yield Block("", _rows(metrics, HEADLINE))
    yield Block("", _rows(metrics, [metric.key for metric in METRICS if metric.key not in HEADLINE]))
    for name, title in _POPULATIONS.items():
        if name in summary.populations:
            yield Block(title, _rows(summary.populations[name].metrics, HEADLINE))


def _rows(metrics: Metrics, keys: Iterable[str]) -> tuple[Row, ...]:
    return tuple(Row(BY_KEY[key].label, _cells(metrics[key])) for key in keys if metrics[key].count)


def _cells(metric: MetricSummary) -> tuple[str, ...]:
    values = (
        metric.beyond.get(field) or quantity(getattr(metric, field), "ms" if metric.unit == "ms" else "")
        for field in _FIELDS
    )
    return (*(value.strip() for value in values), number(metric.count))


def _footnote(summary: Summary, blocks: Iterable[Block]) -> str:
    if not any(DASH in row.cells for block in blocks for row in block.rows):
        return ""
    labels = dict(zip(_FIELDS, COLUMNS, strict=False))
    needed: dict[str, int] = {}
    groups = [summary.metrics, *(group.metrics for group in summary.populations.values())]
    for metric in (metric for metrics in groups for metric in metrics.values() if metric.count):
        needed |= metric.withheld
    floors = ", ".join(f"{labels[name]} {needed[name]:,}" for name, _ in PERCENTILES if name in needed)
    return f"{DASH} withheld: too few samples, since it takes at least {floors}"


def _intervals(summary: Summary) -> Iterable[str]:
    labels = dict(zip(_FIELDS, COLUMNS, strict=False))
    for key in HEADLINE:
        ends = summary.metrics[key].ci95
        shown = [f"{labels[name]} {span(*pair)}" for name, pair in ends.items() if pair is not None and name in _TOLD]
        if shown:
            yield f"{BY_KEY[key].label}, 95 % within this run: {', '.join(shown)}"


def _notes(summary: Summary) -> Iterable[str]:
    yield from _limit_notes(summary)
    yield from _stream_notes(summary)
    for title, found in (("timeouts", summary.timeouts), ("errors", summary.errors), ("lost", summary.losses)):
        if found:
            yield f"{title}: {_listed(found)}"
    yield from _connection_notes(summary)
    for name, title in _SEEN.items():
        if name in summary.seen:
            yield f"{title}: {_listed(summary.seen[name])}"
    if summary.run.receive_clock != "kernel":
        yield "receive times are the callback's, since this platform stamps no packets: latencies hold our own delays"


def _limit_notes(summary: Summary) -> Iterable[str]:
    counts = summary.counts
    if not counts["rejected"]:
        return
    shares = [f"{name} {percent(share)}" for name, share in summary.rejected_ratio.items() if share]
    over = f" ({', '.join(shares)} of messages in whole windows)" if shares else ""
    within = f"{number(counts['rejected_within_limit'])} within the limit"
    yield f"rate limit {_limit(summary)}: {number(counts['rejected'])} rejected{over}, {within}"


def _limit(summary: Summary) -> str:
    run = summary.run
    return "none" if run.limit_messages is None else f"{run.limit_messages} in {duration(run.limit_window_s or 0)}"


def _stream_notes(summary: Summary) -> Iterable[str]:
    counts = summary.counts
    if not counts["delivered"]:
        return
    parts = [f"{number(counts['streams_completed'])} completed"]
    parts += [
        f"{number(counts[f'streams_{name}'])} {name.replace('_', ' ')}" for name in _STATES if counts[f"streams_{name}"]
    ]
    violations = number(counts["stream_violations"])
    yield f"streams: {number(counts['delivered'])} delivered = {' + '.join(parts)}; violations {violations}"


def _connection_notes(summary: Summary) -> Iterable[str]:
    counts = summary.counts
    if counts["connect_failures"]:
        yield f"failed connects: {_listed(summary.connect_failures)}"
    if counts["outages"]:
        yield (
            f"outages: {number(counts['outages'])}, {number(counts['outages_on_purpose'])} on purpose, "
            f"{number(counts['outages_unrecovered'])} without recovery; {number(counts['reconnects'])} reconnects"
        )
    if summary.disconnects:
        ends = (
            f"{end.count:,} x {end.code}{' ' + end.reason if end.reason else ''} by {_who(end.by)}"
            for end in summary.disconnects
        )
        yield f"disconnects: {', '.join(ends)}"


def _who(by: str) -> str:
    return {"client": "us", "reset": "us, abruptly"}.get(by, f"the {by}")


def _listed(found: Mapping[str, int]) -> str:
    shown = [f"{count:,} x {key}" if key else f"{count:,}" for key, count in list(found.items())[:_AT_MOST]]
    left = len(found) - len(shown)
    return ", ".join(shown) + (f" and {left} more kinds" if left else "")
