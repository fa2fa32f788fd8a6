"""Steady, drifting, saturated: told apart where the run carries it."""

import random

import pytest
from staged_run import MS, SECOND, START, STEADY_S, answered, batch, stage

from loadtest.analysis.drift import Stationarity, drift
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import Outcome
from loadtest.runs.reader import RunReader

WINDOW_S = 60
"""Length of the steady window of a staged run."""


@pytest.fixture
def drift_of(tmp_path):
    def judged(messages):
        with RunReader(stage(tmp_path, [batch(messages)])) as run:
            return drift(Measured(load(run)))

    return judged


def replied(number, at_s, ack_ms, first_ms, more_ms=100):
    """Acked, and answered from `first_ms` after it was sent to `more_ms` after that."""
    sent = START + round(at_s * SECOND) + MS
    first = sent + round(first_ms * MS)
    return answered(
        number, at_s, 1, delivered_ns=sent + round(ack_ms * MS), first_content_ns=first,
        last_content_ns=first + more_ms * MS, completed_ns=first + more_ms * MS,
    )  # fmt: skip


def paced(ack_ms, first_ms, per_s=10):
    """So many messages a second over the window; each latency a function of the share of the window that is over."""
    count = per_s * WINDOW_S
    return [replied(n, STEADY_S + n / per_s, ack_ms(n / count), first_ms(n / count)) for n in range(count)]


def test_a_server_that_stays_as_it_is_is_steady(drift_of):
    draw = random.Random(1)
    found = drift_of(paced(lambda _: draw.expovariate(0.2) + 1, lambda _: draw.gauss(400, 50)))
    assert found.status is Stationarity.STEADY


def test_an_ack_that_gets_slower_is_drift(drift_of):
    draw = random.Random(1)
    found = drift_of(paced(lambda done: 10 + 4 * done + draw.random(), lambda _: 400))
    assert found.status is Stationarity.DRIFTING
    (trend,) = [trend for trend in found.trends if trend.key == "ack_delivered"]
    assert (trend.start, trend.end) == pytest.approx((10.5, 14.5), abs=0.3)


def test_a_change_of_less_than_a_millisecond_is_no_drift(drift_of):
    assert drift_of(paced(lambda done: 1 + 0.9 * done, lambda _: 400)).status is Stationarity.STEADY


def test_a_change_of_less_than_a_tenth_is_no_drift(drift_of):
    assert drift_of(paced(lambda _: 5, lambda done: 400 + 30 * done)).status is Stationarity.STEADY


def test_a_stall_in_the_middle_is_no_drift(drift_of):
    found = drift_of(paced(lambda done: 3_000 if 0.45 < done < 0.55 else 5, lambda _: 4_000))
    assert found.status is Stationarity.STEADY


def test_messages_in_flight_that_grow_with_latency_are_saturation(drift_of):
    found = drift_of(paced(lambda _: 5, lambda done: 400 + 20_000 * done))
    assert found.status is Stationarity.SATURATED
    # a message sent x seconds into the window is on its way for 0.5 + x / 3 s: what is in flight was sent in the last
    # quarter of the time, so that 10 messages a second make it grow by 10 * (1/3) / (4/3) a second
    assert found.in_flight_per_s == pytest.approx(2.5, abs=0.1)


def test_answers_that_stop_coming_are_no_good_news(drift_of):
    draw = random.Random(1)
    messages = paced(lambda done: 10 + 40 * done + draw.random(), lambda _: 400)
    silent = [
        answered(9_000 + n, STEADY_S + n / 10, 5, outcome=Outcome.TIMEOUT, received_ns=None, delivered_ns=None,
                 stream_state=None, first_content_ns=None, last_content_ns=None, completed_ns=None)
        for n in range(300, 600)
    ]  # fmt: skip
    assert drift_of([*messages, *silent]).status is Stationarity.SATURATED


def test_too_few_messages_tell_nothing(drift_of):
    found = drift_of(paced(lambda _: 5, lambda _: 400, per_s=1))
    assert (found.status, found.in_flight_per_s) == (Stationarity.UNKNOWN, None)


# --- what the verdict says of it
@pytest.fixture
def reason_of(tmp_path):
    def told(messages):
        with RunReader(stage(tmp_path, [batch(messages)])) as run:
            (reason,) = (reason for reason in summarize(Measured(load(run))).verdict.reasons if " p50 went " in reason)
        return reason.partition(" p50 went ")[0]

    return told


def test_the_reason_names_the_latency_that_matters_and_not_one_that_changed_by_nothing_worth_a_word(reason_of):
    reason = reason_of(paced(lambda done: 0.4 + 0.2 * done, lambda done: 400 + 80 * done))
    assert reason == "the run drifted: time to first token"


def test_of_two_latencies_that_matter_the_one_that_changed_more_is_named(reason_of):
    reason = reason_of(paced(lambda done: 40 - 20 * done, lambda done: 400 + 80 * done))
    assert reason == "the run drifted: ack delivered"


def test_a_latency_that_fell_is_no_sign_of_saturation(reason_of):
    reason = reason_of(paced(lambda done: 100 - 98 * done, lambda done: 2_000 + 4_000 * done))
    assert reason == "the server was saturated: messages in flight grew by 0.6/s, time to first token"
