"""A run as one HTML page that works offline and prints well: the answers first, then what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isinf, isnan
from pathlib import Path
from shlex import quote
from typing import Final

import numpy as np

from loadtest.analysis.herd import Return
from loadtest.analysis.previous import Difference
from loadtest.analysis.slo.values import Decision, Objectives
from loadtest.analysis.slowest import SlowMessage
from loadtest.analysis.timeline import Timeline
from loadtest.analysis.values import Metrics, Summary
from loadtest.metrics import BY_KEY, HEADLINE, METRICS
from loadtest.objectives.names import RATIOS
from loadtest.report import rooms
from loadtest.report.answers import BROKEN, answers
from loadtest.report.caption import subtitle
from loadtest.report.html import Picture, Table, rendered
from loadtest.report.objectives import conclusions, rows
from loadtest.report.outline import COLUMNS, outline
from loadtest.report.recovery_notes import recovery_rows
from loadtest.report.units import DASH, INFINITE, amount, duration, milliseconds, number, percent, quantity

STATES: Final = {Decision.PASS: "good", Decision.INCONCLUSIVE: "warn", Decision.FAIL: "bad"}
OUTCOMES: Final = (
    ("delivered", "the message's final ack came"),
    ("rejected", "refused by the rate limit"),
    ("error", "refused or failed for another reason"),
    ("timeout", "no final ack within the reply timeout"),
    ("lost", "the connection went away before the final ack"),
    ("dropped", "pushed out of the full offline queue, or still in it when the client gave up or left"),
    ("unfinished", "the run ended while it was waited for"),
    ("unaccounted", "handed to a client and ended in none of these: 0, or the run is invalid"),
)
"""How a message ends; each has exactly one."""


def run_page(
    summary: Summary,
    slow: Mapping[str, Sequence[SlowMessage]],
    previous: Summary | None,
    differences: Sequence[Difference],
    pictures: Sequence[Picture],
) -> str:
    """The page of one run.

    Args:
        slow: the slowest messages by metric of `HEADLINE`.
        previous: the run before it, where there is one, and the `differences` from it.
    """
    return rendered(
        "run.html",
        pictures,
        title=f"{summary.run.scenario}: {subtitle(summary)}",
        summary=summary,
        facts=subtitle(summary),
        outline=outline(summary),
        columns=COLUMNS,
        answers=list(answers(summary, slow, previous, differences)),
        objectives=_objectives(summary.objectives) if summary.objectives else None,
        conclusions=conclusions(summary.objectives, summary.verdict.status) if summary.objectives else (),
        path=quote(str(Path(str(summary.run.options.get("results") or "results")) / summary.run.folder)),
        slow={BY_KEY[key].label: _slow(found) for key, found in slow.items() if found},
        previous=previous,
        differences=_differences(differences),
        groups=[(title, table) for title, table in _groups(summary) if table.rows],
        generator=_generator(summary),
        environment=_facts(summary),
        definitions=[(metric.key, metric.label, f"{metric.definition}; {metric.unit}") for metric in METRICS],
        ratios=[(name.replace("_", " "), text) for name, text in RATIOS.items()],
        outcomes=OUTCOMES,
    )


def _objectives(found: Objectives) -> Table:
    each = rows(found)
    return Table(
        ("objective", "measured [95 %]", "limit", "verdict", ""),
        [(row.name, row.value, row.limit, row.word, row.note) for row in each],
        [STATES[row.verdict] for row in each],
    )


def timeline_values(line: Timeline) -> Table:
    """The numbers behind the timeline."""
    heads = [f"{BY_KEY[track.metric].label} {name}" for track in line.tracks for name in track.quantiles]
    columns = [values for track in line.tracks for values in track.quantiles.values()]
    units = [BY_KEY[track.metric].unit for track in line.tracks for _ in track.quantiles]
    rows = [
        (
            f"{line.times_s[place]:.0f} s",
            DASH if isnan(line.users[place]) else f"{line.users[place]:,.0f}",
            *(f"{values[place]:.1f}" for values in (line.sends, line.rejected, line.errors)),
            *(_at(values[place], unit) for values, unit in zip(columns, units, strict=True)),
        )
        for place in range(len(line.times_s))
    ]
    return Table(("time", "users", "sent/s", "rejected/s", "errors/s", *heads), rows)


def recovery_values(back: Return) -> Table:
    """The numbers behind the return of users: what had come to pass by each of twenty moments."""
    curves = (back.attempts, back.back, back.delivered)
    last = max((float(times[-1]) for times in curves if len(times)), default=0.0)
    rows = []
    for moment in np.linspace(0.0, last, 21)[1:]:
        attempts, *users = (int(np.searchsorted(times, moment, side="right")) for times in curves)
        rows.append((f"{moment:.2f} s", number(attempts), *(percent(count / max(back.users, 1)) for count in users)))
    return Table(("since the loss", "attempts", "connected again", "a message delivered again"), rows)


def _at(value: float, unit: str) -> str:
    return DASH if isnan(value) else INFINITE if isinf(value) else quantity(value, unit)


# --- the tables -------------------------------------------------------------------------------------------------------
def _slow(messages: Sequence[SlowMessage]) -> Table:
    traced = any(message.trace_id for message in messages)
    head = (
        "message",
        "user",
        "class",
        "conversation",
        "sent, UTC",
        "outcome",
        *(BY_KEY[key].label for key in HEADLINE),
        *(["trace"] if traced else []),
    )
    rows = [
        (
            message.message_id, message.user, message.user_class, message.conversation, message.sent_utc,
            message.outcome, *(_time(message.times[key]) for key in HEADLINE),
            *([message.trace_id or DASH] if traced else []),
        )
        for message in messages
    ]  # fmt: skip
    return Table(head, rows)


def _time(ms: float | None) -> str:
    return INFINITE if ms == float("inf") else milliseconds(ms)


def _differences(differences: Sequence[Difference]) -> Table:
    words = {True: "apart", False: "overlap", None: DASH}
    return Table(
        ("metric", "before", "now", "change", "95 % intervals"),
        [
            (
                each.quantity.label,
                amount(each.before, each.quantity.unit),
                amount(each.now, each.quantity.unit),
                INFINITE if isinf(each.ratio) else f"{100 * (each.ratio - 1):+.1f} %",
                words[each.apart],
            )
            for each in differences
        ],
    )


def _groups(summary: Summary) -> Iterable[tuple[str, Table]]:
    counts = summary.counts
    streams = [(name.replace("_", " "), number(counts[f"streams_{name}"])) for name in ("completed", *BROKEN)]
    yield "Streams", Table(("state", "streams"), [*streams, ("violations", number(counts["stream_violations"]))])
    title = f"Rooms{f' (withheld: {why})' if (why := rooms.withheld(summary)) else ''}"
    yield title, Table(("", "messages", "receipts"), rooms.rows(summary))
    yield "Rate limit", Table((), list(_limit(summary)))
    shares = [(name, percent(share)) for name, share in summary.rejected_ratio.items()]
    yield "Rejected, of the messages in whole windows", Table(("class", "rejected"), shares)
    yield "Logins", Table((), list(_logins(summary)))
    yield "Rate limit: how it was kept", Table((), _limits(summary))
    yield "Had to be refused", Table(("", "sent", "refused", "ADMITTED"), _had_to_be_refused(summary))
    yield "Recovery", Table((), list(_recovery(summary)))
    kinds = (("timeout", summary.timeouts), ("error", summary.errors), ("lost", summary.losses),
             ("failed connect", summary.connect_failures))  # fmt: skip
    errors = [(kind, reason, number(count)) for kind, found in kinds for reason, count in found.items()]
    yield "Errors by kind", Table(("kind", "reason", "count"), errors)
    classes = [
        (name, number(group.counts["sent"]), number(group.counts["delivered"]), *_middles(group.metrics))
        for name, group in summary.by_class.items()
    ]
    head = ("class", "sent", "delivered", *(f"{BY_KEY[key].label} p50 / p95" for key in HEADLINE))
    yield "By class of users", Table(head, classes)


def _middles(metrics: Metrics) -> Iterable[str]:
    return (_middle(metrics, key) for key in HEADLINE)


def _middle(metrics: Metrics, key: str) -> str:
    metric = metrics[key]
    return " / ".join(metric.beyond.get(name) or milliseconds(getattr(metric, name)) for name in ("p50", "p95"))


def _limit(summary: Summary) -> Iterable[tuple[str, str]]:
    run, counts = summary.run, summary.counts
    if run.limit_messages is None and not counts["rejected"]:
        return
    window = duration(run.limit_window_s or 0)
    yield "declared", "none" if run.limit_messages is None else f"{run.limit_messages} messages in {window}"
    yield "rejected", number(counts["rejected"])
    yield "rejected within the limit", number(counts["rejected_within_limit"])
    yield from _quantiles(summary.metrics, ("reject", "retry_after_error"))


def _logins(summary: Summary) -> Iterable[tuple[str, str]]:
    counts = summary.counts
    if not (counts["logins"] or counts["login_failures"]):
        return
    yield "logins", number(counts["logins"])
    yield "failed", number(counts["login_failures"])
    if counts["logins_broken_off"]:
        yield "overtaken by the end of the run", number(counts["logins_broken_off"])
    for reason, count in summary.login_failures.items():
        yield f"failed: {reason}", number(count)
    yield from _quantiles(summary.metrics, ("login",))


def _quantiles(metrics: Metrics, keys: Iterable[str]) -> Iterable[tuple[str, str]]:
    for key in keys:
        if key in metrics and metrics[key].count:
            yield f"{BY_KEY[key].label} p50 / p95", _middle(metrics, key)


def _limits(summary: Summary) -> Sequence[tuple[str, str]]:
    limits, found = summary.limits, summary.isolation
    if limits is None:
        return []
    rows = [
        ("kind", limits.kind if limits.told else f"{limits.kind} (not told)"),
        ("leaks", number(limits.leaks)),
        ("false rejections", number(limits.false_rejections)),
        ("ambiguous", number(limits.ambiguous)),
    ]
    if found is not None and found.ratio is not None and found.ci95 is not None:
        low, high = found.ci95
        rows.append(("ack delivered p50 beside users above the limit", f"x{found.ratio:.2f} [{low:.2f}, {high:.2f}]"))
    return rows


def _had_to_be_refused(summary: Summary) -> Sequence[tuple[str, str, str, str]]:
    counts = summary.counts
    kinds = (("bad tokens", "intruders"), ("invalid messages", "invalid"))
    return [
        (title, number(counts[key]), number(counts[f"{key}_refused"]), number(counts[f"{key}_admitted"]))
        for title, key in kinds
        if counts[key]
    ]


def _recovery(summary: Summary) -> Iterable[tuple[str, str]]:
    counts = summary.counts
    if counts["outages"]:
        yield "outages", number(counts["outages"])
        yield "on purpose", number(counts["outages_on_purpose"])
        yield "without recovery", number(counts["outages_unrecovered"])
    yield from _quantiles(summary.metrics, ("outage", "notice", "backoff", "reconnect", "recovery", "queue_flush"))
    if summary.recovery is not None:
        yield from recovery_rows(summary.recovery)
    if "read_pause" in summary.seen:
        yield (
            "read pauses of slow readers",
            ", ".join(f"{count:,} x {what}" for what, count in summary.seen["read_pause"].items()),
        )


def _generator(summary: Summary) -> Table:
    head = (
        *("process", "CPU of a core", "loop lag p99", "loop lag max", "receive lag p99", "frames/s", "GC", "steal"),
        *("throttled", "memory", "growth"),
    )
    rows = [
        (
            health.process,
            percent(health.cpu_share),
            milliseconds(health.loop_lag_p99_ms),
            milliseconds(health.loop_lag_max_ms),
            milliseconds(health.receive_lag_p99_ms),
            DASH if health.frames_per_s is None else f"{health.frames_per_s:,.0f}",
            percent(health.gc_share),
            percent(health.steal_share),
            percent(health.throttled_share),
            *(
                DASH if held is None else f"{held:{sign},.1f} MB"
                for held, sign in ((health.rss_mb, ""), (health.rss_growth_mb, "+"))
            ),
        )
        for health in summary.generator.processes
    ]
    return Table(head, rows)


def _facts(summary: Summary) -> Sequence[tuple[str, str]]:
    run = summary.run
    facts = [
        ("target", run.host),
        ("command", " ".join(run.command)),
        ("started", run.started_utc),
        ("length", duration(run.duration_s)),
        ("users", number(run.users)),
        ("labels", ", ".join(f"{key}={value}" for key, value in run.labels.items()) or DASH),
        ("seed", str(run.seed)),
        ("receive clock", run.receive_clock),
        ("run folder", run.folder),
        ("loadtest", run.tool_version),
    ]
    facts += [(f"generator: {name}", str(value)) for name, value in run.generator.items()]
    return [*facts, *((f"--{name.replace('_', '-')}", str(value)) for name, value in run.options.items() if value)]
