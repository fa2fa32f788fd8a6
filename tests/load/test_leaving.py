"""A user who closes its connection for a while, and comes back, unless it has been stopped meanwhile."""

import subprocess
import sys

import pytest

STORY = """
import sys

import gevent
from locust.env import Environment

from loadtest.client.state import State
from loadtest.load import Leaving
from loadtest.load.numbers import Numbers
from loadtest.load.people import People
from loadtest.load.process import Process
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings

class Leaver(Leaving): pass

url, secret, stops = sys.argv[1:]
chosen = settings({"jwt_secret": secret, "away": "200ms"})
environment = Environment()
environment.loadtest_process = Process(
    "local", read_endpoint(url, chosen), chosen, People(chosen), Numbers(), environment.events.request
)
user = Leaver(environment)
user.on_start()
user.lose_connection(0)
with gevent.Timeout(5):
    while user.client.state is not State.DISCONNECTED:
        gevent.sleep(0.002)
if stops:
    user.on_stop()
    gevent.sleep(0.6)  # three times as long as it was to be away
else:
    with gevent.Timeout(20):
        while user.client.state is not State.AUTHENTICATED:
            gevent.sleep(0.002)
print(user.client.state)
"""


@pytest.mark.parametrize(("stops", "state"), [("", "authenticated"), ("stops", "disconnected")])
def test_who_leaves_comes_back_unless_it_was_stopped_meanwhile(reference_server, stops, state):
    words = [sys.executable, "-c", STORY, reference_server.url, reference_server.secret, stops]
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (told.stdout.strip(), told.stderr) == (state, "")
