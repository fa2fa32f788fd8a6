"""Waking at an instant."""

import time
from contextlib import closing

import gevent
import pytest
from gevent.hub import get_hub
from gevent.pool import Group

from loadtest.client.dial import KERNEL_STAMPS
from loadtest.client.polls import NEVER, poll_clock
from loadtest.load.alarm import Alarm

MS = 1_000_000


@pytest.fixture
def alarm():
    with closing(Alarm()) as made:
        yield made


def test_nobody_is_woken_early_and_the_order_is_that_of_the_instants(alarm):
    woken, start = [], time.monotonic_ns()

    def wait(after):
        alarm.wait_until(start + after)
        woken.append((after, time.monotonic_ns() - start >= after))

    waiting = Group()
    for after in (20 * MS, 5 * MS, 10 * MS):
        waiting.spawn(wait, after)
    assert waiting.join(timeout=5)
    assert woken == [(5 * MS, True), (10 * MS, True), (20 * MS, True)]


def test_an_instant_that_has_passed_does_not_wait(alarm):
    switches = []
    gevent.spawn(switches.append, "other")
    alarm.wait_until(time.monotonic_ns() - 1)
    assert switches == []


@pytest.mark.skipif(not KERNEL_STAMPS, reason="no timerfd")
def test_who_reads_for_long_can_let_the_due_alarm_go_first(alarm):
    polls = poll_clock(get_hub().loop)
    woken = gevent.event.Event()

    def wait():
        alarm.wait_until(time.monotonic_ns() + 5 * MS)
        woken.set()

    gevent.spawn(wait)
    gevent.sleep(0)
    due = polls.due_ns
    assert due < NEVER

    def hold_the_loop():
        while time.monotonic_ns() < due:
            pass
        polls.when_due()
        held.append(woken.is_set())

    held = []
    get_hub().loop.run_callback(hold_the_loop)
    assert woken.wait(5)
    assert held == [True]
    assert polls.due_ns == NEVER
