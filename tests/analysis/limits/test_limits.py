"""How a server kept its limit of 10 in 10 s, from the records of a run."""

import pytest
from staged_run import MS, SECOND, START, answered, batch, message, stage

from loadtest.analysis.isolation import Isolation
from loadtest.analysis.limits.judges import JUDGES, Decision, Fate
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import Connect, Count, Outcome, Population
from loadtest.report.render import as_text
from loadtest.runs.reader import RunReader
from loadtest.server.counts import ServerCounts
from loadtest.server.faults.limits import FaultyLimiter
from loadtest.server.faults.orders import order
from loadtest.server.faults.script import Script
from loadtest.server.limiter import LimiterKind
from loadtest.settings import LimitKind, Rate


@pytest.fixture
def summary_of(tmp_path):
    def summed_up(messages, connects=(), clocks=("one",), typed=0, **facts):
        counters = [Count("messages_offered", "", len(messages)), *(Count("clock", clock, 1) for clock in clocks)]
        counters += [Count("typing_sent", "start", typed)] if typed else []
        folder = stage(tmp_path, [batch(messages, connects=list(connects), counters=counters)], **facts)
        with RunReader(folder) as run:
            return summarize(Measured(load(run)))

    return summed_up


def burst(at_s, admitted, rejected, number=0, retry_after_s=9):
    """Messages of one user, 10 ms apart, each decided within 5 ms."""
    made = []
    for place in range(admitted + rejected):
        at, id_ = at_s + place / 100, 3 * (number + place)
        sent = START + round(at * SECOND) + MS
        if place < admitted:
            made.append(answered(id_, at, 5, population=Population.LIMIT))
        else:
            more = {"refused_ns": sent + 5 * MS, "retry_after_s": retry_after_s}
            made.append(message(id_, at, Outcome.REJECTED, Population.LIMIT, **more))
    return made


def test_a_limit_that_is_kept_has_no_findings(summary_of):
    summary = summary_of(burst(20, 10, 5) + burst(31, 10, 5, 100))
    assert (summary.counts["limit_leaks"], summary.counts["false_rejections"]) == (0, 0)
    assert (summary.limits.kind, summary.limits.users, summary.limits.ambiguous) == ("fixed", 1, 0)


def test_who_flushes_a_queue_is_not_within_the_limit_for_a_window(summary_of):
    """Of 10 in 10 s: user 0 flushes 4 at 30 s and sends 8 by its schedule; user 1 is rejected without any of that."""
    flushed = [answered(3 * n, 30, 5, population=Population.QUEUED) for n in range(4)]
    schedule = [answered(300 + 3 * n, 31 + n, 5) for n in range(6)]
    rejected = [message(id_, at, Outcome.REJECTED) for id_, at in ((600, 37), (603, 38), (606, 40.1), (601, 33))]
    summary = summary_of([*flushed, *schedule, *rejected])
    assert (summary.counts["rejected"], summary.counts["rejected_within_limit"]) == (4, 2)


def test_a_limit_that_is_off_by_one_leaks_once_a_window(summary_of):
    assert summary_of(burst(20, 11, 5) + burst(31, 11, 5, 100)).counts["limit_leaks"] == 2


def test_a_window_that_closes_too_early_rejects_falsely(summary_of):
    assert summary_of(burst(20, 8, 2)).counts["false_rejections"] == 2


def test_a_message_without_an_answer_may_have_been_decided_at_any_time(summary_of):
    """Decided at 30.02 s it opened the second window, which was over before the last two were sent: no leak."""
    lost = message(3, 29.99, Outcome.TIMEOUT, Population.LIMIT)
    second = [
        answered(3 * n, at, 5, population=Population.LIMIT) for n, at in enumerate([31, *[39] * 8, 40.1, 40.1], 9)
    ]
    summary = summary_of([*burst(20, 1, 0), lost, *second])
    assert (summary.counts["limit_leaks"], summary.counts["false_rejections"]) == (0, 0)
    assert summary.limits.ambiguous > 0


def test_a_server_that_stalls_for_longer_than_the_timeout_decides_late(summary_of):
    """Nothing is read from 20 s to 28 s: eight that were given up are admitted at 28 s, and count until 38 s."""
    unread = [message(3 * n, 20 + n / 4, Outcome.TIMEOUT, Population.LIMIT) for n in range(8)]
    admitted = [
        answered(30, 27.9, 105, population=Population.LIMIT),
        answered(33, 28.1, 5, population=Population.LIMIT),
    ]
    rejected = burst(35, 0, 1, 20)
    options = {"options": {"limiter": "sliding"}, "reply_timeout_s": 2.0}
    limits = summary_of([*unread, *admitted, *rejected], **options).limits
    assert (limits.kind, limits.leaks, limits.false_rejections, limits.ambiguous) == ("sliding", 0, 0, 1)


def test_users_who_never_come_near_the_limit_show_nothing(summary_of):
    summary = summary_of([answered(3 * n, 20 + 2 * n, 5) for n in range(20)])
    assert summary.limits is None


def test_a_promise_is_held_against_the_next_message_that_is_admitted(summary_of):
    """Rejected at 20.106 s and told to wait for 9 s; admitted at 30.101 s: the promise was 995 ms too short."""
    metric = summary_of(burst(20, 10, 3) + burst(30.1, 1, 0, 100)).metrics["retry_after_error"]
    assert (metric.count, metric.max) == (1, -995.0)


def test_a_promise_is_held_against_nobody_who_came_much_later(summary_of):
    """Told to wait for 9 s, and back after 21: it may have been let in long before."""
    assert summary_of(burst(20, 10, 3) + burst(41, 1, 0, 100)).metrics["retry_after_error"].count == 0


def test_a_promise_is_broken_where_one_who_waited_is_rejected_again(summary_of):
    """Told to wait for 2 s at 20.106 s, rejected at 25 s, admitted at 30.101 s: some of 8 s too short."""
    messages = burst(20, 10, 3, retry_after_s=2) + burst(25, 0, 1, 100) + burst(30.1, 1, 0, 200)
    metric = summary_of(messages).metrics["retry_after_error"]
    assert (metric.count, metric.max) == (1, -7995.0)


def test_amplification_is_the_bytes_of_a_stream_over_those_of_its_text(summary_of):
    metrics = summary_of([answered(n, 30 + n, 5, stream_bytes=2_400, text_bytes=120) for n in range(6)]).metrics
    assert (metrics["amplification"].p50, metrics["amplification"].unit) == (20.0, "x")
    assert metrics["chunk_rate"].p50 == pytest.approx(29 / 0.59)


def test_a_completion_with_new_content_is_a_chunk_like_any_other(summary_of):
    """Three frames, 100 ms apart, of 10 characters each."""
    part = {"last_content_ns": START + 30 * SECOND + 601 * MS, "chunks": 3, "progress_chunks": 3, "chars": 30}
    metrics = summary_of([answered(n, 30, 5, **part) for n in range(6)]).metrics
    assert metrics["chunk_rate"].p50 == pytest.approx(2 / 0.2)
    assert metrics["stream_rate"].p50 == pytest.approx(20 / 0.2)


# --- intruders, invalid messages
def test_intruders_are_in_no_number_but_their_own(summary_of):
    second = START + SECOND
    connects = [
        Connect("user-0", "WithinLimitUser", START, "AUTH_FAILED"),
        Connect("user-0", "WithinLimitUser", START, "ok", authenticated_ns=START + 5 * MS),
        Connect("intruder-0", "IntruderUser", second, "AUTH_FAILED", ended_ns=second + 3 * MS, bad_token="forged"),
        Connect("intruder-0", "IntruderUser", second, "timeout", ended_ns=second + 3 * MS, bad_token="missing"),
        Connect("intruder-0", "IntruderUser", second, "ok", authenticated_ns=second + MS, bad_token="expired"),
    ]
    summary = summary_of([answered(0, 30, 5)], connects)
    counts = summary.counts
    names = ("connects", "auth_failures", "auth_recoveries", "intruders", "intruders_refused", "intruders_admitted")
    assert [counts[name] for name in names] == [1, 1, 1, 3, 1, 1]
    assert summary.intruders == {"expired: LET IN": 1, "forged: AUTH_FAILED": 1, "missing: timeout": 1}
    assert (summary.metrics["refusal"].count, summary.metrics["refusal"].max) == (1, 3.0)


def test_invalid_messages_are_counted_apart_and_are_in_no_headline(summary_of):
    part = {"population": Population.INVALID}
    summary = summary_of(
        [
            answered(0, 30, 5),
            message(1, 30, Outcome.ERROR, reason="no content: empty", refused_ns=START + 31 * SECOND, **part),
            answered(2, 30, 900, reason="content too long: delivered", **part),
        ]
    )
    assert [summary.counts[name] for name in ("invalid", "invalid_refused", "invalid_admitted")] == [2, 1, 1]
    assert (summary.metrics["ack_delivered"].count, summary.metrics["ack_delivered"].max) == (1, 5.0)
    assert summary.errors == {}
    assert summary.invalid["error"] == {"no content: empty": 1}


# --- isolation
def periods(factor, count=8):
    """Two seconds without users above the limit, and two with them and acks that take `factor` times as long."""
    made = []
    for place in range(count):
        busy = (START // (2 * SECOND) + place + 10) % 2 == 1
        for n in range(10):
            ack_ms = round((10 + place % 3) * (factor if busy else 1))
            made.append(answered(100 * place + n, 20 + 2 * place + n / 10, ack_ms))
    return [*made, answered(9_999, 21, 7, population=Population.LIMIT, user_class="AboveLimitUser")]


@pytest.mark.parametrize("factor", [1, 3])
def test_isolation_is_the_ratio_of_neighbouring_periods_with_its_interval(summary_of, factor):
    facts = {"options": {"abuse_period": 2.0}, "stopped_ns": START + 36 * SECOND, "warmup_s": 20.0}
    found = summary_of(periods(factor), **facts).isolation
    assert found.pairs == 4
    assert found.ratio == pytest.approx(factor, rel=0.1)
    assert found.ci95[0] < found.ratio < found.ci95[1]
    assert (found.ci95[0] > 1) == (factor > 1)


def test_isolation_of_a_short_run_is_withheld_with_the_remedy(summary_of):
    facts = {"options": {"abuse_period": 2.0}, "stopped_ns": START + 24 * SECOND, "warmup_s": 20.0}
    found = summary_of(periods(1, count=2), **facts).isolation
    assert isinstance(found, Isolation)
    assert found.ratio is None
    assert "--abuse-period" in found.withheld


def test_isolation_is_withheld_where_users_kept_the_periods_by_several_clocks(summary_of):
    facts = {"options": {"abuse_period": 2.0}, "stopped_ns": START + 36 * SECOND, "warmup_s": 20.0}
    found = summary_of(periods(3), clocks=("one", "another"), **facts).isolation
    assert (found.ratio, found.ci95) == (None, None)
    assert found.withheld.startswith("users ran on 2 hosts")


@pytest.mark.parametrize("factor", [1, 3])
def test_what_typing_does_to_the_acks_is_told_in_the_same_way(summary_of, factor):
    facts = {"options": {"typing_period": 2.0}, "stopped_ns": START + 36 * SECOND, "warmup_s": 20.0}
    messages = [each for each in periods(factor) if each.population is Population.HEADLINE]
    summary = summary_of(messages, typed=40, **facts)
    assert summary.isolation is None
    found = summary.typing_isolation
    assert found.pairs == 4
    assert found.ratio == pytest.approx(factor, rel=0.1)
    assert (found.ci95[0] > 1) == (factor > 1)
    text = " ".join(as_text(summary).split())
    assert f"isolation from typing: ack delivered p50 of users within the limit x{found.ratio:.2f} [" in text
    assert "] while others type, " in text


def test_where_nobody_typed_typing_did_nothing(summary_of):
    facts = {"options": {"typing_period": 2.0}, "stopped_ns": START + 36 * SECOND, "warmup_s": 20.0}
    assert summary_of(periods(1), **facts).typing_isolation is None


# --- the reference server's limiter, told to err
@pytest.mark.parametrize("kind", list(LimiterKind))
@pytest.mark.parametrize(("fault", "field"), [("limit-leak", "leaks"), ("limit-false", "false_rejections")])
@pytest.mark.parametrize("every", [None, 7])
def test_as_many_as_were_ordered_are_found_and_none_in_a_sound_limiter(kind, fault, field, every):
    counts = ServerCounts()
    script = Script(counts, [order(f"{fault}:every={every}")] if every else [])
    limiter, tries = FaultyLimiter(kind.of(Rate(10, 10.0)), script), []
    for place in range(200):
        at = place * 400 * MS
        fate = Fate.REJECTED if limiter.take("user", at + MS) else Fate.ADMITTED
        tries.append(Decision(at, at + 2 * MS, fate))
    found = JUDGES[LimitKind(kind)](tries, 10, 10 * SECOND)
    assert found.contradictions == getattr(found, field)
    ordered = counts.faults.get(fault, 0)
    assert getattr(found, field) <= ordered <= getattr(found, field) + found.ambiguous
    assert (getattr(found, field) > 0) == bool(every)
    if fault == "limit-leak" or not every:  # whether a message that was rejected falsely counts is not known
        assert getattr(found, field) == ordered
