"""A run as one HTML page that works offline and prints well: the answers first, then what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf, isnan
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loadtest.analysis.previous import Change, Previous
from loadtest.analysis.slowest import SlowMessage
from loadtest.analysis.timeline import Timeline
from loadtest.analysis.values import Metrics, Summary
from loadtest.metrics import BY_KEY, HEADLINE, METRICS
from loadtest.report.caption import subtitle
from loadtest.report.outline import COLUMNS, outline
from loadtest.report.units import DASH, INFINITE, duration, milliseconds, number, percent, quantity

TEMPLATES: Final = Path(__file__).with_name("templates")
_BAD: Final = ("error", "timeout", "lost", "dropped", "unfinished")
_BROKEN: Final = ("incomplete", "interrupted", "errored", "missing")
_UNKNOWN: Final = "not known"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading; the first cell of a row names it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot.

    Attributes:
        svg: its markup, made by the tool.
        text: what it shows, for those who cannot see it.
        values: the numbers behind it; None where they stand in another table.
    """

    title: str
    svg: str
    text: str
    values: Table | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A question that a reader comes with.

    Attributes:
        state: `good`, `warn`, `bad` or `none`.
    """

    question: str
    answer: str
    detail: str
    state: str


def run_page(
    summary: Summary,
    slow: Mapping[str, Sequence[SlowMessage]],
    previous: Previous | None,
    changes: Sequence[Change],
    pictures: Sequence[Picture],
) -> str:
    """The page of one run.

    Args:
        slow: the slowest messages by metric of `HEADLINE`.
        previous: the run before it, where there is one, and `changes` from it.
    """
    content = outline(summary)
    return _environment().get_template("run.html").render(
        title=f"{summary.run.scenario}: {subtitle(summary)}",
        summary=summary,
        outline=content,
        columns=COLUMNS,
        answers=_answers(summary, slow, previous, changes),
        pictures=[(picture, Markup(picture.svg)) for picture in pictures],  # our own plots, escaped by matplotlib
        slow={BY_KEY[key].label: _slow(found) for key, found in slow.items() if found},
        previous=previous,
        changes=_changes(changes),
        groups=[(title, table) for title, table in _groups(summary) if table.rows],
        generator=_generator(summary),
        environment=_facts(summary),
        definitions=[(metric.label, metric.definition, metric.unit) for metric in METRICS],
    )  # fmt: skip


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


# --- the answers ------------------------------------------------------------------------------------------------------
def _answers(
    summary: Summary,
    slow: Mapping[str, Sequence[SlowMessage]],
    previous: Previous | None,
    changes: Sequence[Change],
) -> Iterable[Answer]:
    yield _slowest(summary, slow)
    yield _lost(summary)
    yield _sound(summary)
    yield _worse(previous, changes)


def _slowest(summary: Summary, slow: Mapping[str, Sequence[SlowMessage]]) -> Answer:
    question = "What was slowest?"
    key = next((key for key in ("ttft", "ack_delivered") if slow.get(key)), None)
    if key is None:
        return Answer(question, "nothing was measured", "", "none")
    first = slow[key][0]
    metric = summary.metrics[key]
    name = next((name for name in ("p99", "p95", "p90", "p50") if getattr(metric, name) is not None), None)
    tail = f"{name} {quantity(getattr(metric, name), metric.unit)}; " if name else ""
    worst = "never came" if first.times[key] in (None, float("inf")) else milliseconds(first.times[key])
    return Answer(
        question,
        f"{BY_KEY[key].label}: {tail}slowest {worst}",
        f"message {first.message_id} of {first.user}, sent {first.sent_utc}",
        "none",
    )


def _lost(summary: Summary) -> Answer:
    question = "Was anything lost?"
    counts = summary.counts
    found = [f"{number(counts[name])} {name}" for name in _BAD if counts[name]]
    found += [f"{number(counts[f'streams_{name}'])} streams {name}" for name in _BROKEN if counts[f"streams_{name}"]]
    if counts["stream_violations"]:
        found.append(f"{number(counts['stream_violations'])} stream violations")
    gap = counts["unaccounted"]
    detail = f"{number(counts['sent'])} messages, unaccounted {_UNKNOWN if gap is None else number(gap)}"
    if gap:
        return Answer(question, "the ledger does not close", detail, "bad")
    own = summary.populations.get("outage")
    meant = "; users who make their own outages are among them" if found and own is not None else ""
    return Answer(question, ", ".join(found) + meant or "nothing", detail, "warn" if found else "good")


def _sound(summary: Summary) -> Answer:
    verdict, content = summary.verdict, outline(summary)
    words = {"valid": "yes", "suspect": "doubtful", "invalid": "no: do not use these numbers"}
    state = {"valid": "good", "suspect": "warn"}.get(verdict.status, "bad")
    detail = verdict.reasons[0] if verdict.reasons else content.verdict
    return Answer("Was the generator sound?", words.get(verdict.status, verdict.status), detail, state)


def _worse(previous: Previous | None, changes: Sequence[Change]) -> Answer:
    question = "Is it worse than the last one?"
    if previous is None or not changes:
        return Answer(question, "there is no earlier run to hold it against", "", "none")
    slower = [change for change in changes if change.apart and change.ratio > 1]
    faster = [change for change in changes if change.apart and change.ratio < 1]
    detail = f"against {previous.run.folder}; one run against one run only describes, `loadtest compare` decides"
    if slower:
        worst = max(slower, key=lambda change: change.ratio)
        return Answer(question, f"slower in {len(slower)} of {len(changes)}, most: {_change(worst)}", detail, "warn")
    if faster:
        best = min(faster, key=lambda change: change.ratio)
        return Answer(question, f"faster in {len(faster)} of {len(changes)}, most: {_change(best)}", detail, "good")
    return Answer(question, "no difference beyond the intervals within the runs", detail, "none")


def _change(change: Change) -> str:
    return f"{BY_KEY[change.key].label} {change.percentile} {100 * (change.ratio - 1):+.1f} %"


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


def _at(value: float, unit: str) -> str:
    return DASH if isnan(value) else INFINITE if isinf(value) else quantity(value, unit)


# --- the tables -------------------------------------------------------------------------------------------------------
def _slow(messages: Sequence[SlowMessage]) -> Table:
    head = (
        "message",
        "user",
        "class",
        "conversation",
        "sent, UTC",
        "outcome",
        *(BY_KEY[key].label for key in HEADLINE),
    )
    rows = [
        (
            message.message_id, message.user, message.user_class, message.conversation, message.sent_utc,
            message.outcome, *(_time(message.times[key]) for key in HEADLINE),
        )
        for message in messages
    ]  # fmt: skip
    return Table(head, rows)


def _time(ms: float | None) -> str:
    return INFINITE if ms == float("inf") else milliseconds(ms)


def _changes(changes: Sequence[Change]) -> Table:
    words = {True: "apart", False: "overlap", None: DASH}
    return Table(
        ("metric", "before", "now", "change", "95 % intervals"),
        [
            (
                f"{BY_KEY[change.key].label} {change.percentile}",
                milliseconds(change.before),
                milliseconds(change.now),
                f"{100 * (change.ratio - 1):+.1f} %",
                words[change.apart],
            )
            for change in changes
        ],
    )


def _groups(summary: Summary) -> Iterable[tuple[str, Table]]:
    counts = summary.counts
    streams = [(name.replace("_", " "), number(counts[f"streams_{name}"])) for name in ("completed", *_BROKEN)]
    yield "Streams", Table(("state", "streams"), [*streams, ("violations", number(counts["stream_violations"]))])
    rejected = [(name, percent(share)) for name, share in summary.rejected_ratio.items()]
    yield "Rate limit: rejected share in whole windows", Table(("class", "rejected"), rejected)
    yield "Rate limit: how it was kept", Table(("", ""), _limits(summary))
    yield "Had to be refused", Table(("", "sent", "refused", "ADMITTED"), _had_to_be_refused(summary))
    yield "Recovery", Table(("", ""), _recovery(summary))
    kinds = (("timeout", summary.timeouts), ("error", summary.errors), ("lost", summary.losses),
             ("failed login", summary.login_failures), ("failed connect", summary.connect_failures))  # fmt: skip
    errors = [(kind, reason, number(count)) for kind, found in kinds for reason, count in found.items()]
    yield "Errors by kind", Table(("kind", "reason", "count"), errors)
    classes = [
        (name, number(group.counts["sent"]), number(group.counts["delivered"]), *_middles(group.metrics))
        for name, group in summary.by_class.items()
    ]
    head = ("class", "sent", "delivered", *(f"{BY_KEY[key].label} p50 / p95" for key in HEADLINE))
    yield "By class of users", Table(head, classes)


def _middles(metrics: Metrics) -> Iterable[str]:
    for key in HEADLINE:
        metric = metrics[key]
        parts = (metric.beyond.get(name) or milliseconds(getattr(metric, name)) for name in ("p50", "p95"))
        yield " / ".join(parts)


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


def _recovery(summary: Summary) -> Sequence[tuple[str, str]]:
    counts = summary.counts
    if not counts["outages"]:
        return ()
    times = [
        (f"{BY_KEY[key].label} p50", milliseconds(summary.metrics[key].p50))
        for key in ("outage", "recovery", "queue_flush")
        if summary.metrics[key].count
    ]
    return [
        ("outages", number(counts["outages"])),
        ("on purpose", number(counts["outages_on_purpose"])),
        ("without recovery", number(counts["outages_unrecovered"])),
        *times,
    ]


def _generator(summary: Summary) -> Table:
    head = ("process", "CPU of a core", "loop lag p99", "loop lag max", "receive lag p99", "frames/s", "GC", "steal")
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
