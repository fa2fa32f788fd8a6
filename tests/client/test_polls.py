"""Which polls of the event loop count as a look at every socket."""

import pytest

from loadtest.client import polls
from loadtest.client.polls import OTHERS, ROOM, SLEPT_NS, STEP_NS, UNSURE, WAKING_NS, PollClock

WALL = 1_700_000_000_000_000_000


class Watcher:
    def start(self, callback):
        self.fire = callback


class Loop:
    """What a `PollClock` asks of gevent's loop, with the polls in the hands of the test."""

    __module__ = "gevent.libev.corecext"
    MAXPRI, MINPRI = 2, -2

    def check(self, ref, priority):
        assert (ref, priority) == (False, 2)
        self.returned = Watcher()
        return self.returned

    def prepare(self, ref, priority):
        assert (ref, priority) == (False, -2)
        self.begun = Watcher()
        return self.begun


class Stage:
    def __init__(self, monkeypatch):
        self.now, self.ahead = 0, WALL
        self.delays = []
        monkeypatch.setattr(polls.time, "monotonic_ns", lambda: self.now)
        monkeypatch.setattr(polls.time, "time_ns", self.wall)
        self.loop = Loop()
        self.clock = PollClock(self.loop)

    def wall(self):
        return self.now + self.ahead + (self.delays.pop(0) if self.delays else 0)

    def poll(self, at, reads=0, begun=None):
        """A poll returns, having begun just before or so long ago, and its iteration reads so many sockets."""
        self.now = at if begun is None else begun
        self.loop.begun.fire()
        self.now = at
        self.loop.returned.fire()
        self.clock.reads += reads


@pytest.fixture
def stage(monkeypatch):
    return Stage(monkeypatch)


def test_what_is_read_arrived_after_the_last_poll_whose_reports_were_served(stage):
    stage.poll(at=1_000, reads=1)
    stage.poll(at=2_000, reads=1)
    assert stage.clock.settled_ns == 1_000
    stage.poll(at=3_000)
    assert stage.clock.settled_ns == 2_000


def test_a_poll_without_data_may_have_been_broken_off_and_counts_for_nothing(stage):
    stage.poll(at=1_000, reads=1)
    stage.poll(at=2_000)
    stage.poll(at=3_000)
    stage.poll(at=4_000, reads=1)
    assert stage.clock.settled_ns == 1_000


def test_a_poll_that_may_have_been_full_may_have_left_sockets_out(stage):
    stage.poll(at=1_000, reads=1)
    stage.poll(at=2_000, reads=ROOM - OTHERS)
    stage.poll(at=3_000, reads=ROOM - OTHERS - 1)
    assert stage.clock.settled_ns == 1_000
    stage.poll(at=4_000)
    assert stage.clock.settled_ns == 3_000


def test_the_room_of_a_poll_is_at_least_what_one_has_brought(stage):
    stage.poll(at=1_000, reads=500)
    stage.poll(at=2_000, reads=100)
    stage.poll(at=3_000, reads=1)
    assert stage.clock.settled_ns == 2_000


def test_a_poll_that_slept_had_nothing_to_report_when_it_began(stage):
    stage.poll(at=1_000, reads=1)
    stage.poll(begun=5_000_000, at=5_000_000 + SLEPT_NS, reads=1)
    assert stage.clock.settled_ns == 1_000
    stage.poll(begun=6_000_000, at=6_000_000 + SLEPT_NS + 1, reads=1)
    assert (stage.clock.settled_ns, stage.clock.woken_ns) == (6_000_000, 6_000_000)


def test_what_a_poll_that_slept_brings_is_what_woke_it(stage):
    stage.poll(begun=6_000_000, at=9_000_000, reads=1)
    assert (stage.clock.settled_ns, stage.clock.woken_ns) == (6_000_000, 9_000_000 - WAKING_NS)


def test_what_the_next_poll_finds_at_once_came_after_the_one_that_slept_was_served(stage):
    stage.poll(begun=6_000_000, at=9_000_000, reads=1)
    stage.poll(at=9_100_000, reads=1)
    assert (stage.clock.settled_ns, stage.clock.woken_ns) == (9_000_000, 9_000_000)


def test_a_poll_that_slept_and_brought_nothing_may_have_been_broken_off_and_tells_what_it_began_with(stage):
    stage.poll(begun=6_000_000, at=9_000_000)
    stage.poll(at=9_100_000, reads=1)
    assert (stage.clock.settled_ns, stage.clock.woken_ns) == (6_000_000, 6_000_000)


def test_the_offset_of_the_clocks_is_the_least_reading_since_readings_can_only_be_late(stage):
    stage.delays = [40]
    stage.poll(at=1_000)
    assert stage.clock.offset_ns == WALL
    stage.delays = [STEP_NS + 3_000_000]
    stage.poll(at=2_000)
    assert stage.clock.offset_ns == WALL


@pytest.mark.parametrize("step", [-3_600_000_000_000, -10])
def test_a_step_back_of_the_wall_clock_is_followed_at_the_next_poll(stage, step):
    stage.ahead += step
    stage.poll(at=1_000)
    assert stage.clock.offset_ns == WALL + step


@pytest.mark.parametrize("step", [3_600_000_000_000, STEP_NS + 1])
def test_after_a_step_forward_no_stamp_is_believed_for_one_poll_since_it_may_be_from_before(stage, step):
    stage.ahead += step
    stage.poll(at=1_000)
    assert stage.clock.offset_ns == UNSURE
    stage.poll(at=2_000)
    assert stage.clock.offset_ns == WALL + step
