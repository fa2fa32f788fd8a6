"""Users who come and go, and think in between: partly open, and the same for every build."""

import subprocess
import sys
from itertools import islice
from random import Random

import pytest
from locust_command import LocustRun
from reference_server import ReferenceServer

from loadtest.load import schedule
from loadtest.load.actions import Action, Visit, during, visits
from loadtest.settings import positive_duration, spread

pytestmark = pytest.mark.long

times = spread(positive_duration, "30s", "90s")


def first(count, of):
    return list(islice(of, count))


def test_sessions_and_absences_take_turns_and_the_first_session_is_under_way_already():
    sessions = first(3, visits(times("10s"), times("5s"), Random(1)))
    begun = sessions[0].left_s
    assert sessions[0].came_s == 0.0
    assert 1.0 <= begun < 10.0
    assert sessions[1:] == [Visit(begun + 5, begun + 15), Visit(begun + 20, begun + 30)]


def test_the_clock_of_a_user_runs_while_it_is_there():
    say, come, leave = object(), object(), object()
    actions = (Action(at, say) for at in (1.0, 4.0, 5.0, 12.0))
    done = first(9, during(iter([Visit(0, 5), Visit(8, 13), Visit(20, 30), Visit(31, 32)]), actions, come, leave))
    assert done == [
        (1.0, say), (4.0, say), (5.0, leave),
        (8.0, come), (8.0, say), (13.0, leave),
        (20.0, come), (22.0, say), (30.0, leave),
    ]  # fmt: skip


def test_a_user_who_only_listens_comes_and_goes_too():
    done = first(3, during(iter([Visit(0, 5), Visit(8, 13), Visit(14, 20)]), iter(()), "come", "leave"))
    assert done == [(5, "leave"), (8, "come"), (13, "leave")]


def test_thinking_draws_each_gap_and_begins_within_one():
    begun, *others = first(3, schedule.thinking(times("10s"), Random(1)))
    assert 0.0 <= begun < 10.0
    assert others == [begun + 10.0, begun + 20.0]


LOAD = """
from types import SimpleNamespace
from loadtest.load import ChatUser
from loadtest.settings import settings
class Asking(ChatUser): pass
chosen = settings({"jwt_secret": "s", "think_time": "lognormal:20s,1", "rate_limit": "none", "seed": "SEED",
    "message_length": "uniform:20,90", "answer_length": "exponential:80"})
for number in range(3):
    user = Asking(SimpleNamespace())
    user.number, user.settings = number, chosen
    for _, action in zip(range(20), user.actions()):
        print(number, action.at_s, user.text())
"""


def load(seed):
    told = subprocess.run(
        [sys.executable, "-c", LOAD.replace("SEED", seed)], capture_output=True, text=True, check=True
    )
    return told.stdout.splitlines()


def test_two_builds_get_the_same_load_message_for_message():
    once, again, other = load("7"), load("7"), load("8")
    assert once == again != other
    assert len(once) == 60
    assert all("Answer in " in line for line in once)
    assert len({line.split(" ", 2)[2] for line in once}) == 60


@pytest.fixture(scope="module")
def visited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("visited")
    server = ReferenceServer(folder, ("--ttft", "20ms", "--gap", "2ms", "--rate-limit", "none"))
    run = LocustRun(
        server,
        folder / "results",
        *(
            "--headless",
            "-u",
            "20",
            "-r",
            "20",
            "-t",
            "8s",
            "--rate-limit",
            "none",
        ),
        *("--answer-length", "uniform:2,6", "--session-length", "exponential:2s", "--away-time", "1s"),
        *("--think-time", "exponential:300ms", "WithinLimitUser"),
    )
    try:
        run.end()
        yield run.summary, server.stop(), run.output
    finally:
        run.kill()
        server.kill()


def test_users_come_and_go_and_lose_nothing(visited):
    summary, truth, output = visited
    counts = summary["counts"]
    assert counts["connects"] == truth["connects"] > 30
    assert counts["lost"] == counts["unaccounted"] == counts["outages"] == 0, output
    assert counts["delivered"] == truth["delivered_acks"] > 100
    assert counts["streams_interrupted"] == 0
    assert summary["run"]["present_share"] == pytest.approx(2 / 3, rel=1e-3)


def test_those_who_are_away_are_not_missed(visited):
    summary, *_ = visited
    assert not [reason for reason in summary["verdict"]["reasons"] if "were connected in the mean" in reason]


def test_answers_are_as_long_as_they_were_asked_to_be(visited):
    _, truth, _ = visited
    mean = truth["stream_frames"] / truth["streams_started"] - 1  # a completion frame follows the last
    assert 2 <= mean <= 6
