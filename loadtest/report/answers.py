"""What a reader of a run wants to know first: did it pass, what was slowest, was anything lost, can it be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from loadtest.analysis.previous import Difference
from loadtest.analysis.slo.values import Decision
from loadtest.analysis.slowest import SlowMessage
from loadtest.analysis.values import Summary
from loadtest.metrics import BY_KEY
from loadtest.report.html import Answer
from loadtest.report.objectives import verdict_line
from loadtest.report.outline import outline
from loadtest.report.units import amount, milliseconds, number, quantity

_BAD: Final = ("error", "timeout", "lost", "dropped", "unfinished")
BROKEN: Final = ("incomplete", "interrupted", "errored", "missing")
"""States of a stream that ended otherwise than it should."""
_IN_ROOMS: Final = {
    "broadcasts_missing": "broadcasts not received",
    "leaks": "events leaked to other conversations",
}
_UNKNOWN: Final = "not known"


def answers(
    summary: Summary,
    slow: Mapping[str, Sequence[SlowMessage]],
    previous: Summary | None,
    differences: Sequence[Difference],
) -> Iterable[Answer]:
    """The five answers, in the order in which they are asked for.

    Args:
        slow: the slowest messages by metric of `HEADLINE`.
        differences: from the run before, `previous`, where there is one.
    """
    yield _passed(summary)
    yield _slowest(summary, slow)
    yield _lost(summary)
    yield _sound(summary)
    yield _worse(summary, previous, differences)


def _passed(summary: Summary) -> Answer:
    question, found = "Did it pass?", summary.objectives
    if found is None:
        detail = "no objective was given; --slo 'ack_delivered.p99 < 250ms' asks"
        return Answer(question, "not asked", detail, "none")
    line = verdict_line(found, summary.verdict.status).removeprefix("objectives: ")
    if summary.verdict.status == "invalid":
        return Answer(question, "cannot be said: the run is invalid", line, "bad")
    words = {
        Decision.PASS: ("yes", "good"),
        Decision.FAIL: ("no", "bad"),
        Decision.INCONCLUSIVE: ("cannot be said yet", "warn"),
    }
    word, state = words[found.verdict]
    return Answer(question, word, line, state)


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
    found += [f"{number(counts[f'streams_{name}'])} streams {name}" for name in BROKEN if counts[f"streams_{name}"]]
    if counts["stream_violations"]:
        found.append(f"{number(counts['stream_violations'])} stream violations")
    found += [f"{number(counts[name])} {words}" for name, words in _IN_ROOMS.items() if counts.get(name)]
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


def _worse(summary: Summary, previous: Summary | None, differences: Sequence[Difference]) -> Answer:
    question = "Is it worse than the last one?"
    if previous is None:
        return Answer(question, "there is no earlier run of this setup to hold it against", "", "none")
    if "invalid" in (summary.verdict.status, previous.verdict.status):
        which = "the run" if summary.verdict.status == "invalid" else "the earlier one"
        return Answer(question, f"cannot be said: {which} is invalid", f"against {previous.run.folder}", "none")
    detail = f"against {previous.run.folder}; one run against one run only describes, `loadtest compare` decides"
    if not differences:
        return Answer(question, "cannot be said: the two measured nothing in common", detail, "none")
    apart = [each for each in differences if each.apart]
    for word, state, found in (
        ("worse", "warn", [each for each in apart if each.worse]),
        ("better", "good", [each for each in apart if not each.worse]),
    ):
        if found:
            most = max(
                found, key=lambda each: (not each.quantity.unit, each.size)
            )  # what got lost before what took long
            return Answer(
                question, f"{word} in {len(found)} of {len(differences)}, most: {_change(most)}", detail, state
            )
    return Answer(question, "no difference beyond the intervals within the runs", detail, "none")


def _change(each: Difference) -> str:
    what = each.quantity
    if what.unit and each.ratio not in (0.0, math.inf):
        return f"{what.label} {100 * (each.ratio - 1):+.1f} %"
    return f"{what.label} {amount(each.before, what.unit)}, now {amount(each.now, what.unit)}"
