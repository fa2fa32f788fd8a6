"""One run in numbers: the fold of its records into `values.Summary`."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.analysis import ledger
from loadtest.analysis.drift import drift
from loadtest.analysis.finding import Evidence
from loadtest.analysis.fold import Fold
from loadtest.analysis.generator import generator
from loadtest.analysis.isolation import isolation, typing_isolation
from loadtest.analysis.limits.run import judge_limits
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import Records
from loadtest.analysis.recovery import recovery
from loadtest.analysis.rooms.metrics import counts as room_counts
from loadtest.analysis.samples import Basis
from loadtest.analysis.seen import seen
from loadtest.analysis.server import server
from loadtest.analysis.slo.evaluate import evaluate
from loadtest.analysis.values import SCHEMA, Counts, Metrics, Run, Summary
from loadtest.analysis.verdict import judge
from loadtest.analysis.window import Window
from loadtest.model import Outcome, Population
from loadtest.objectives import Objective
from loadtest.runs.columns import MISSING, Bools


def summarize(measured: Measured, demanded: Sequence[Objective] = ()) -> Summary:
    """Counts, metrics and verdict of one run.

    Args:
        demanded: what it is held to.
    """
    records, messages, fold = measured.records, measured.records.messages, Fold(measured)
    rooms, limits = measured.rooms.summary, judge_limits(records)
    counts = ledger.count(records, limits) | room_counts(records, rooms)
    from_intended, shortest = _bases(fold, measured.headline)
    evidence = _evidence(measured, fold, counts, from_intended, shortest)
    return Summary(
        schema=SCHEMA,
        run=_run(records, measured.window),
        verdict=judge(evidence),
        counts=counts,
        metrics=evidence.metrics,
        by_class=fold.classes(),
        from_intended=from_intended,
        populations=evidence.populations,
        connect_parts=fold.connect_parts(),
        steady=evidence.steady,
        total=fold.replies(measured.of_population(Population.HEADLINE)),
        rejected_ratio=_rejected_ratio(records, measured.window),
        timeouts=ledger.reasons(messages, Outcome.TIMEOUT),
        errors=ledger.reasons(messages, Outcome.ERROR),
        losses=ledger.reasons(messages, Outcome.LOST),
        connect_failures=evidence.connect_failures,
        disconnects=ledger.endings(records),
        seen=seen(records),
        shortest=shortest,
        generator=evidence.generator,
        drift=evidence.drift,
        notices=list(records.notices),
        login_failures=ledger.login_failures(records),
        objectives=evaluate(demanded, measured, evidence.metrics, counts),
        rooms=rooms,
        server=server(records, measured.window),
        recovery=recovery(records, measured.rooms),
        limits=limits,
        isolation=isolation(measured),
        intruders=ledger.intruders(records),
        invalid={outcome: found for outcome in Outcome if (found := ledger.reasons(messages, outcome, invalid=True))},
        by_step=fold.steps(),
        typing_isolation=typing_isolation(measured),
    )


def _evidence(measured: Measured, fold: Fold, counts: Counts, from_intended: Metrics, shortest: Metrics) -> Evidence:
    """What the verdict looks at.

    Args:
        from_intended: of headline messages, as is `shortest`.
    """
    records, metrics = measured.records, fold.metrics()
    promised = (metrics, from_intended, shortest)
    if not measured.headline.any():  # what is shown then is of other users, and is held to the same
        promised = (fold.replies(measured.steady), *_bases(fold, measured.steady))
    return Evidence(
        records,
        counts,
        ledger.message_counts(records.messages, measured.steady),
        metrics,
        *promised,
        fold.populations(),
        ledger.connect_failures(records),
        generator(records, measured.window),
        drift(measured),
    )


def _bases(fold: Fold, part: Bools) -> tuple[Metrics, Metrics]:
    """Replies counted from intended, and as short as they can have been."""
    return fold.replies(part, basis=Basis.INTENDED), fold.replies(part, basis=Basis.SHORTEST)


def _run(records: Records, window: Window) -> Run:
    facts = {name: getattr(records.info, name) for name in records.info.__struct_fields__}
    reads = records.count("frames_received") - records.count("coalesced_frames")  # that completed a frame, at least
    if records.count("reads_without_stamp") > reads / 2:
        facts["receive_clock"] = "callback"  # the platform promised stamps and gave none
    return Run(
        **facts,
        folder=records.folder,
        complete=records.complete,
        duration_s=round(window.stop_s, 3),
        window=window,
    )


def _rejected_ratio(records: Records, window: Window) -> dict[str, float | None]:
    """Rejected share of the messages on the wire, over whole limiter windows only, by user class."""
    messages, length = records.messages, records.info.limit_window_s
    if not length:
        return {}
    start, stop = window.whole(length)
    part = (messages.intended_ns >= start) & (messages.intended_ns < stop) & (messages.sent_ns != MISSING)
    sent = messages.user_class[part].counts()
    rejected = messages.user_class[part & messages.outcome.is_in(Outcome.REJECTED)].counts()
    return {
        name: round(rejected.get(name, 0) / sent[name], 6) if name in sent else None
        for name in sorted(filter(None, messages.user_class.counts()))
    }
