"""What the master says, and keeps, of workers that join late, fall silent, come back, leave or are lost."""

import pytest

from loadtest.load.crew import Crew
from loadtest.load.numbers import Pool, Share
from loadtest.model import Worker, WorkerEnd


@pytest.fixture
def said():
    return []


@pytest.fixture
def crew(said):
    crew = Crew(Pool(users=10, capacity=12), said.append)
    crew.enlist(["host_a", "host_b"])
    crew.watch(1.0, {"host_a": 5, "host_b": 5}, set())
    return crew


def test_those_that_are_there_share_the_numbers_in_their_order():
    assert Crew(Pool(10, None), print).enlist(["host_b", "host_a"]) == {
        "host_b": Share(0, 2, 10),
        "host_a": Share(1, 2, 10),
    }


def test_one_that_comes_late_has_a_name_of_its_own_and_asks_for_each_number(crew, said):
    assert crew.join("far_c", 7.2) == Share(0, 1, 0)
    assert [crew.grant("far_c") for _ in range(3)] == [10, 11, None]
    assert crew.workers[2] == Worker("worker-2", "far", 7.2)
    assert said == ["worker-2 (far) joined 7 s after the start; users move to it, and connect anew"]


def test_one_that_is_cut_off_and_comes_back_is_said_once_each_and_its_silence_is_kept(crew, said):
    for second in range(5, 9):
        crew.watch(second, {"host_a": 5}, {"host_b"})
    for second in range(9, 12):
        crew.watch(second, {"host_a": 5, "host_b": 5}, set())
    assert said == [
        "worker-1 (host) is silent; it held 5 users. The run goes on",
        "worker-1 (host) is back after 8 s",
    ]
    assert crew.workers[1] == Worker("worker-1", "host", 0.0, silences_s=[8.0], users=5)


def test_one_that_stays_silent_for_a_minute_is_gone_and_its_numbers_are_free(crew, said):
    assert crew.watch(5.0, {}, {"host_b"}) == set()
    assert crew.watch(62.9, {}, {"host_b"}) == set()
    assert crew.watch(63.0, {}, {"host_b"}) == {"host_b"}
    assert said[1:] == ["worker-1 (host) is lost, 1 s after the start, with 5 users"]
    assert crew.workers[1].ended is WorkerEnd.LOST
    assert [crew.grant("host_a") for _ in range(5)] == [1, 3, 5, 7, 9]
    assert crew.watch(70.0, {"host_b": 5}, set()) == set(), "whatever a ghost may say"
    assert crew.workers[1].ended is WorkerEnd.LOST


def test_one_that_leaves_takes_nothing_with_it(crew, said):
    crew.leave("host_b", 6.0)
    crew.lose("host_b", 7.0)
    assert crew.workers[1] == Worker("worker-1", "host", 0.0, [], WorkerEnd.LEFT, 6.0, 5)
    assert [crew.grant("host_a") for _ in range(5)] == [1, 3, 5, 7, 9]
    assert said == ["worker-1 (host) left 6 s after the start, and has sent all that it had"]


def test_the_records_call_workers_by_their_names(crew):
    assert crew.names(["host_b", "host_a", "of another run"]) == ["worker-0", "worker-1"]
