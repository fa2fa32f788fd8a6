"""When a user types: before its messages, in every other period where so told, and as often as it is told to."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

ACTIONS = """
import json
from itertools import count
from types import SimpleNamespace
from loadtest.load import Typing
from loadtest.settings import settings

class Typist(Typing):
    def schedule(self):
        yield from (2.5 * n for n in range(1, 201))

class Forgetful(Typist):
    says_stop = False

class Hasty(Typist):
    repeats_s = 0.25

def actions(cls, **options):
    user = cls(SimpleNamespace())
    user.number, user.settings = 0, settings({"jwt_secret": "s"} | options)
    return [(action.at_s, action.do.__name__) for action in user.actions()]

print(json.dumps({
    "always": actions(Typist),
    "periods": actions(Typist, typing_period="10s"),
    "forgetful": actions(Forgetful, typing_period="10s"),
    "hasty": actions(Hasty),
}))
"""


@pytest.fixture(scope="module")
def done():
    told = subprocess.run([sys.executable, "-c", ACTIONS], capture_output=True, text=True, check=True)
    return json.loads(told.stdout)


def times(actions, name):
    return [at for at, did in actions if did == name]


@pytest.mark.parametrize("who", ["always", "periods", "forgetful", "hasty"])
def test_whether_or_not_it_may_type_it_says_what_it_has_to_say(done, who):
    assert times(done[who], "say") == [2.5 * n for n in range(1, 201)]
    assert [at for at, _ in done[who]] == sorted(at for at, _ in done[who])


def test_it_types_before_each_message_and_in_periods_before_those_in_every_other_one_of_the_clock(done):
    assert len(times(done["always"], "start_typing")) == len(times(done["always"], "stop_typing")) == 200
    starts, stops = (times(done["periods"], name) for name in ("start_typing", "stop_typing"))
    assert len(starts) == len(stops) > 50
    assert all(start // 10 == stop // 10 and start // 10 % 2 == 1 for start, stop in zip(starts, stops, strict=True))


def test_who_never_stops_types_only_where_the_server_stops_for_it_within_the_period(done):
    starts = times(done["forgetful"], "start_typing")
    assert len(starts) > 10
    assert times(done["forgetful"], "stop_typing") == []
    assert all(start // 10 == (start + 5) // 10 and start // 10 % 2 == 1 for start in starts)


def test_who_is_hasty_starts_over_and_over_until_it_stops(done):
    starts, stops = (times(done["hasty"], name) for name in ("start_typing", "stop_typing"))
    gaps = [after - before for before, after in pairwise(starts) if not any(before < stop <= after for stop in stops)]
    assert len(stops) == 200
    assert len(gaps) > 500
    assert gaps == pytest.approx([0.25] * len(gaps))
