"""Users who wait as the rate limit tells them: when they mean to send. And who ask what counts: what they conclude."""

import json
import subprocess
import sys

import pytest

TOLD = """
import json, time
from itertools import islice
from types import SimpleNamespace
from loadtest.load import Polite
from loadtest.protocol import MessageAck, MessageError
from loadtest.settings import settings

WORDS = "Rate limit exceeded. Try again in 7 seconds"

class PoliteUser(Polite):
    factor = 40.0  # it always has something to say

def told(event, **options):
    user = PoliteUser(SimpleNamespace())
    user.number, user.settings = 0, settings({"jwt_secret": "s", "rate_limit": "10/10s"} | options)
    user.began_ns = time.monotonic_ns()
    actions = user.actions()
    first = next(actions).at_s
    user.on_event(event)
    return [first, *(action.at_s for action in islice(actions, 40))]

now_s = time.monotonic()
period_s = now_s / (now_s // 10 * 2 + 1) - 1e-6  # some 5 s, and one with users above the limit begins now
print(json.dumps({
    "period_s": period_s,
    "ack": told(MessageAck("m1", "error", WORDS)),
    "error": told(MessageError(error=WORDS)),
    "message": told(MessageError(message_id="m1", message=WORDS)),
    "periods": told(MessageError(error=WORDS), abuse_period=f"{period_s}s"),
}))
"""


@pytest.fixture(scope="module")
def sent():
    done = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("told_by", ["ack", "error", "message"])
def test_whoever_is_polite_heeds_each_way_to_say_how_long_to_wait(sent, told_by):
    before, after, *_ = sent[told_by]
    assert before < 1.0
    assert after == pytest.approx(7.0, abs=0.2)


def test_whoever_is_told_to_come_in_a_period_without_users_above_the_limit_comes_in_the_next(sent):
    """Its own period begins with it: told to come after 7 s, in the second, it comes in the third."""
    before, after, *others = sent["periods"]
    third_s = 2 * sent["period_s"]
    assert before < 1.0
    assert after == pytest.approx(third_s, abs=1.0)
    assert all(at % third_s < sent["period_s"] for at in others)


PROBED = """
import json
from types import SimpleNamespace
from loadtest.conformance.heard import Counts
from loadtest.load import Probing
from loadtest.protocol import MessageAck
from loadtest.settings import settings

class ProbingUser(Probing):
    pass

def probed(invalid, good):
    counts = Counts()
    process = SimpleNamespace(probe_numbers=SimpleNamespace(take=lambda: 0), recorder=SimpleNamespace(tally=counts))
    user = ProbingUser(SimpleNamespace(loadtest_process=process))
    user.settings = settings({"jwt_secret": "s", "rate_limit": "2/10s"})
    _, _, forget, _, _, conclude = user.actions()  # between them two messages each
    for statuses, action in ((invalid, forget), (good, conclude)):
        for status in statuses:
            user.on_event(MessageAck("m1", status))
        action.do(0)
    return counts.keys("limit_probe")

refused, admitted = ["error"] * 2, ["delivered"] * 2
print(json.dumps([probed(refused, admitted), probed(refused, refused), probed(admitted, refused), probed(refused, [])]))
"""


def test_whether_invalid_messages_count_is_no_question_where_they_are_admitted():
    done = subprocess.run([sys.executable, "-c", PROBED], capture_output=True, text=True, check=True)
    said = ["do not count", "count", "were admitted", "no answer in time"]
    assert json.loads(done.stdout) == [[f"invalid messages: {each}"] for each in said]
