"""What a summary says, in which order: the text and the Markdown of it are two renderings of one outline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from loadtest.analysis.isolation import Isolation
from loadtest.analysis.seen import TITLES
from loadtest.analysis.values import Counts, Metrics, MetricSummary, Summary
from loadtest.metrics import BY_KEY, HEADLINE, METRICS, PERCENTILES
from loadtest.report import rooms
from loadtest.report.recovery_notes import recovery_notes
from loadtest.report.units import (
    DASH,
    INFINITE,
    PLUS_MINUS,
    Span,
    duration,
    milliseconds,
    number,
    percent,
    quantity,
    size,
    span,
)

COLUMNS: Final = ("p50", "p90", "p95", "p99", "p99.9", "max", "count")
_FIELDS: Final = ("p50", "p90", "p95", "p99", "p99_9", "max")

_OUTCOMES: Final = ("rejected", "error", "timeout", "lost", "dropped", "unfinished")
_STATES: Final = ("incomplete", "interrupted", "errored", "unfinished", "missing", "not_expected")
_POPULATIONS: Final = {
    "limit": "at or above the limit",
    "outage": "own outages",
    "queued": "waited in the offline queue",
}
_OF_BEHAVIOUR: Final = (
    *HEADLINE, "stream_rate", "chunk_rate", "longest_stall", "finish_lag", "amplification",
    "reject", "retry_after_error", "connect", "refusal", "outage", "recovery",
)  # fmt: skip
"""Metrics shown of a user class; gaps are pooled, and of no class."""
_NO_COMPRESSION: Final = "no compression"
_AT_MOST: Final = 5
"""Keys shown of one counter."""


_BOUNDS: Final = {"ttft": "stamp_bound", "inter_chunk": "gap_bound", "longest_stall": "gap_bound"}
"""Metric to the one that says what shared receive stamps leave open of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric.

    Attributes:
        label: its name, and the ± of its receive stamps.
        cells: for each of `COLUMNS`.
        spans: the 95 % interval for each of `COLUMNS` that has one; empty where a row tells none.
        key: of the metric.
    """

    label: str
    cells: tuple[str, ...]
    spans: tuple[Span | None, ...] = ()
    key: str = ""


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
        footnotes: what the signs in the table mean.
        notes: lines on what there is something to say about.
    """

    ledger: str
    status: str
    verdict: str
    reasons: tuple[str, ...]
    basis: str
    blocks: tuple[Block, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]


def outline(summary: Summary, *, by_behaviour: bool = False) -> Outline:
    """Arrange a summary.

    Args:
        by_behaviour: with a block for each user class in place of the populations.
    """
    blocks = tuple(block for block in _blocks(summary, by_behaviour) if block.rows)
    return Outline(
        ledger=_ledger(summary),
        status=summary.verdict.status,
        verdict=_verdict(summary),
        reasons=tuple(summary.verdict.reasons),
        basis=f"percentiles over {duration(summary.run.window.seconds)}, {summary.run.window.note}",
        blocks=blocks,
        footnotes=tuple(_footnotes(summary, blocks)),
        notes=(*(_of_classes(summary) if by_behaviour else ()), *_notes(summary)),
    )


def _ledger(summary: Summary) -> str:
    run, counts = summary.run, summary.counts
    users = f"{run.users:,} users" if run.users is not None else "users by a shape"
    gap = "not known" if counts["unaccounted"] is None else number(counts["unaccounted"])
    messages = f"{number(counts['sent'])} messages = {_outcomes(counts)}; unaccounted {gap}"
    return f"{users}, {duration(run.duration_s)}, {messages}"


def _of_classes(summary: Summary) -> Iterable[str]:
    for name, group in summary.by_class.items():
        if group.counts["sent"]:
            yield f"{name}: {number(group.counts['sent'])} messages = {_outcomes(group.counts)}"


def _outcomes(counts: Counts) -> str:
    found = [f"{number(counts[name])} {name}" for name in _OUTCOMES if counts[name]]
    return " + ".join([f"{number(counts['delivered'])} delivered", *found])


def _verdict(summary: Summary) -> str:
    lags = [
        f"{BY_KEY[key].label} {milliseconds(summary.metrics[key].p99)}"
        for key in ("send_lag", "receive_lag", "loop_lag", "stamp_bound")
        if summary.metrics[key].p99 is not None
    ]
    busiest = summary.generator.worst("cpu_share")
    return "; ".join(
        [*([f"p99 {', '.join(lags)}"] if lags else []), *([f"cpu {100 * busiest[1]:.0f} %"] if busiest else [])]
    )


def _blocks(summary: Summary, by_behaviour: bool) -> Iterable[Block]:
    metrics = summary.metrics
    yield Block("", _rows(metrics, HEADLINE, spans=True))
    yield Block("", _rows(metrics, [metric.key for metric in METRICS if metric.key not in HEADLINE]))
    for name, group in summary.by_class.items() if by_behaviour else ():
        yield Block(name, _rows(group.metrics, _OF_BEHAVIOUR))
    for name, title in _POPULATIONS.items():
        if name in summary.populations and not by_behaviour:
            yield Block(title, _rows(summary.populations[name].metrics, HEADLINE))
    for step in summary.by_step:
        yield Block(f"step {step.number}, {number(step.users)} users", _rows(step.metrics, HEADLINE))
    if any(summary.total[key].count != metrics[key].count for key in HEADLINE):
        yield Block("whole run, warm-up included", _rows(summary.total, HEADLINE))


def _rows(metrics: Metrics, keys: Iterable[str], *, spans: bool = False) -> tuple[Row, ...]:
    return tuple(
        Row(_label(metrics, key), _cells(metrics[key]), _spans(metrics[key]) if spans else (), key)
        for key in keys
        if metrics[key].count
    )


def _label(metrics: Metrics, key: str) -> str:
    bound = metrics.get(_BOUNDS.get(key, ""))
    shown = f", {PLUS_MINUS}{milliseconds(bound.p99)}" if bound is not None and bound.p99 else ""
    return f"{BY_KEY[key].label}{shown}"


def _spans(metric: MetricSummary) -> tuple[Span | None, ...]:
    return tuple(_span(metric, field) for field in _FIELDS)


def _span(metric: MetricSummary, field: str) -> Span | None:
    at = getattr(metric, field)
    low, high = metric.ci95.get(field) or (metric.ci95_from.get(field), math.inf)
    return None if low is None else span(math.inf if at is None else at, low, high)


def _cells(metric: MetricSummary) -> tuple[str, ...]:
    values = (
        metric.beyond.get(field) or quantity(getattr(metric, field), "ms" if metric.unit == "ms" else "")
        for field in _FIELDS
    )
    return (*(value.strip() for value in values), number(metric.count))


def _footnotes(summary: Summary, blocks: Iterable[Block]) -> Iterable[str]:
    rows = [row for block in blocks for row in block.rows]
    spans = [span for row in rows for span in row.spans if span is not None]
    if spans:
        reach = f"; {INFINITE} reaches into the unanswered" if any(span.high == INFINITE for span in spans) else ""
        yield f"95 % intervals: within this run; restarts not included{reach}"
    if any(PLUS_MINUS in row.label for row in rows):
        yield f"{PLUS_MINUS} p99 of how much earlier frames may have arrived that share a receive stamp"
    if any(row.label.startswith(BY_KEY["inter_chunk"].label) for row in rows):
        yield "gaps are pooled, so long answers weigh more: longest stall and stream rate have one value an answer"
    if any(DASH in row.cells for row in rows):
        of_rooms = "; of fan-out that many messages" if summary.metrics["fanout"].withheld else ""
        yield f"{DASH} withheld: too few samples, since it takes at least {_floors(summary)}{of_rooms}"


def _floors(summary: Summary) -> str:
    labels = dict(zip(_FIELDS, COLUMNS, strict=False))
    needed: dict[str, int] = {}
    groups = [
        summary.metrics,
        summary.total,
        *(group.metrics for group in summary.populations.values()),
        *(step.metrics for step in summary.by_step),
    ]
    for metric in (metric for metrics in groups for metric in metrics.values() if metric.count):
        needed |= metric.withheld
    return ", ".join(f"{labels[name]} {needed[name]:,}" for name, _ in PERCENTILES if name in needed)


def _notes(summary: Summary) -> Iterable[str]:
    yield from _way_notes(summary)
    yield from (f"notice: {text}" for text in summary.notices)
    yield from _server_notes(summary)
    yield from _limit_notes(summary)
    yield from _stream_notes(summary)
    yield from rooms.notes(summary)
    if summary.typing_isolation is not None:
        yield f"isolation from typing: {_isolation(summary.typing_isolation, 'while others type')}"
    for title, found in (("timeouts", summary.timeouts), ("errors", summary.errors), ("lost", summary.losses)):
        if found:
            yield f"{title}: {_listed(found)}"
    yield from _connection_notes(summary)
    yield from _refusal_notes(summary)
    for name, title in TITLES.items():
        if title and name in summary.seen:
            yield f"{title}: {_listed(summary.seen[name])}"
    yield from _memory_notes(summary)
    if summary.run.receive_clock != "kernel":
        yield "receive times are the callback's, since this platform stamps no packets: latencies hold our own delays"
    bound_s = max((worker.clock_bound_s for worker in summary.run.workers), default=0.0)
    if bound_s:
        bound = milliseconds(1e3 * bound_s)
        yield f"clocks of other machines: set to the master's, to within {bound}, which no latency holds"


def _way_notes(summary: Summary) -> Iterable[str]:
    """What lay between the clients and the backend."""
    run, counts = summary.run, summary.counts
    if run.options.get("insecure") and run.host.startswith("wss:"):
        yield "INSECURE: the backend's certificate was not checked (--insecure): whoever answered got the tokens"
    if run.options.get("insecure") and any(
        str(run.options.get(name)).startswith("https:") for name in ("login_url", "refresh_url")
    ):
        yield "INSECURE: the login's certificate was not checked (--insecure): whoever answered got the passwords"
    if run.proxy is not None:
        yield f"through the proxy {run.proxy}, whose time is in every latency"
    negotiated = summary.seen.get("negotiated", {})
    if set(negotiated) - {_NO_COMPRESSION}:
        yield f"negotiated: {_listed(negotiated)}"
    if counts["bytes_received"] != counts["bytes_received_on_wire"]:
        parts = (f"{_squeezed(summary, name)} {name}" for name in ("received", "sent") if counts[f"bytes_{name}"])
        yield f"compressed payloads: {', '.join(parts)}"


def _server_notes(summary: Summary) -> Iterable[str]:
    """What the server had left, and the resource that was full."""
    server = summary.server
    if server is None:
        return
    parts = []
    if server.cpu_cores is not None:
        limit = "" if server.cpu_limit is None else f" of {server.cpu_limit:.3g} that it may use"
        parts.append(f"{server.cpu_cores:.2f} cores{limit}")
    if server.throttled_share:
        parts.append(f"held back by its CPU limit for {percent(server.throttled_share)} of the time")
    if server.busiest_core is not None:
        parts.append(f"busiest thread {percent(server.busiest_core)} of one")
    if server.memory_bytes is not None:
        parts.append(size(server.memory_bytes))
    if server.open_files is not None:
        parts.append(f"{number(server.open_files)} open files and sockets")
    full = f"FULL: {', '.join(server.full)}" if server.full else "nothing was full"
    yield f"server, {server.source}: {', '.join(parts)}; {full}"


def _memory_notes(summary: Summary) -> Iterable[str]:
    """Of the largest process: a leak shows over hours, the price of a connection with many of them."""
    worst = summary.generator.worst
    held, grown, each = worst("rss_mb"), worst("rss_growth_mb"), worst("kb_per_connection")
    if held is not None and grown is not None:
        price = f", {each[1]:.0f} KB a connection" if each is not None else ""
        yield f"memory of the generator: {held[1]:,.0f} MB, {grown[1]:+,.1f} MB over the steady window{price}"


def _squeezed(summary: Summary, direction: str) -> str:
    plain, wire = (summary.counts[f"bytes_{direction}{suffix}"] or 0 for suffix in ("", "_on_wire"))
    return f"{size(plain)} in {size(wire)} ({percent(wire / plain)})"


def _limit_notes(summary: Summary) -> Iterable[str]:
    yield from _rejection_notes(summary)
    yield from _limiter_notes(summary)
    if summary.isolation is not None:
        yield f"isolation: {_isolation(summary.isolation, 'with those above it beside them')}"
    if "limit_probe" in summary.seen:
        yield f"rate limit, probed: {_listed(summary.seen['limit_probe'])}"


def _rejection_notes(summary: Summary) -> Iterable[str]:
    counts = summary.counts
    if not counts["rejected"]:
        return
    shares = [f"{name} {percent(share)}" for name, share in summary.rejected_ratio.items() if share]
    over = f" ({', '.join(shares)} of messages in whole windows)" if shares else ""
    within = f"{number(counts['rejected_within_limit'])} within the limit"
    yield f"rate limit {_limit(summary)}: {number(counts['rejected'])} rejected{over}, {within}"


def _limiter_notes(summary: Summary) -> Iterable[str]:
    limits = summary.limits
    if limits is None:
        return
    kind = f"a limit of the kind {limits.kind}" if limits.told else f"a limit of the kind {limits.kind} (not told)"
    found = [f"{number(limits.leaks)} leaks", f"{number(limits.false_rejections)} false rejections"]
    yield f"held against {kind}: {', '.join(found)}, {number(limits.ambiguous)} ambiguous"


def _isolation(found: Isolation, beside: str) -> str:
    if found.ratio is None or found.ci95 is None:
        return f"withheld: {found.withheld}"
    low, high = found.ci95
    return (
        f"ack delivered p50 of users within the limit x{found.ratio:.2f} [{low:.2f}, {high:.2f}] {beside}, "
        f"{milliseconds(found.without_ms)} to {milliseconds(found.beside_ms)} ({found.pairs} pairs of "
        f"{duration(found.period_s)})"
    )


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
    if counts["login_failures"]:
        yield f"failed logins: {_listed(summary.login_failures)}"
    if counts["logins_broken_off"]:
        yield f"logins that the end of the run overtook: {number(counts['logins_broken_off'])}"
    if counts["auth_recoveries"]:
        yield f"refused, then let in with a fresh token: {number(counts['auth_recoveries'])}"
    if counts["connect_failures"]:
        yield f"failed connects: {_listed(summary.connect_failures)}"
    if counts["outages"]:
        yield (
            f"outages: {number(counts['outages'])}, {number(counts['outages_on_purpose'])} on purpose, "
            f"{number(counts['outages_unrecovered'])} without recovery; {number(counts['reconnects'])} reconnects"
        )
    if summary.recovery is not None:
        yield from recovery_notes(summary.recovery)
    if summary.disconnects:
        ends = (
            f"{end.count:,} x {end.code}{' ' + end.reason if end.reason else ''} by {_who(end.by)}"
            for end in summary.disconnects
        )
        yield f"disconnects: {', '.join(ends)}"


def _refusal_notes(summary: Summary) -> Iterable[str]:
    """What had to be refused."""
    counts = summary.counts
    if counts["intruders"]:
        alarm = f"ALARM: {number(counts['intruders_admitted'])} let in; " if counts["intruders_admitted"] else ""
        refused = f"{number(counts['intruders_refused'])} of {number(counts['intruders'])} refused"
        yield f"bad tokens: {alarm}{refused}: {_listed(summary.intruders)}"
    if counts["invalid"]:
        kinds = {f"{outcome}, {reason}": n for outcome, found in summary.invalid.items() for reason, n in found.items()}
        refused = f"{number(counts['invalid_refused'])} of {number(counts['invalid'])} refused"
        admitted = f", {number(counts['invalid_admitted'])} DELIVERED" if counts["invalid_admitted"] else ""
        yield f"invalid messages: {refused}{admitted}: {_listed(kinds)}"


def _who(by: str) -> str:
    ours = {"client": "us", "reset": "us, abruptly", "silence": "us, in silence", "retry": "us, to connect anew",
            "read_timeout": "our read timeout", "ping_timeout": "our ping timeout"}  # fmt: skip
    return ours.get(by, f"the {by}")


def _listed(found: Mapping[str, int]) -> str:
    shown = [f"{count:,} x {key}" if key else f"{count:,}" for key, count in list(found.items())[:_AT_MOST]]
    left = len(found) - len(shown)
    return ", ".join(shown) + (f" and {left} more kinds" if left else "")
