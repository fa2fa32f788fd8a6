"""A user who begins to type, thinks better of it, and is said by the client's timer to have stopped."""

import subprocess
import sys

import pytest

LOAD = """
from types import SimpleNamespace
from loadtest.load import Typing
from loadtest.settings import settings
class Hesitant(Typing):
    hesitates = 1.0
    def schedule(self):
        yield from (20.0, 21.0, 40.0)
user = Hesitant(SimpleNamespace())
user.number, user.settings = 0, settings({"jwt_secret": "s", "seed": "7"})
for action in user.actions():
    print(action.at_s, action.do.__name__)
"""


@pytest.fixture(scope="module")
def actions():
    told = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    return [(float(at), name) for at, name in map(str.split, told.stdout.splitlines())]


def test_it_starts_is_stopped_after_three_seconds_and_starts_anew_for_the_message(actions):
    names = [name for _, name in actions]
    whole = ["start_typing", "stop_typing", "start_typing", "stop_typing", "say"]
    assert names == [*whole, *whole[2:], *whole]  # no time to hesitate within the second before the one at 21 s
    (began, _), (stopped, _), (again, _), (sent, _), (said, _) = actions[:5]
    assert stopped - began == pytest.approx(3.0)
    assert began < stopped <= again <= sent == said == 20.0


def test_its_actions_are_in_the_order_of_time(actions):
    assert [at for at, _ in actions] == sorted(at for at, _ in actions)
