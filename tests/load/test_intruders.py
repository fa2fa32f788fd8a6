"""One attempt with a bad token: refused or let in, whatever dialect the server speaks, and over after that."""

import json
import subprocess
import sys

import pytest
from real_servers import behaving

STORY = """
import json
import sys

from locust.env import Environment

from loadtest.client.dialect import GUIDE, Renamed
from loadtest.load import ChatUser, Intruding
from loadtest.load.numbers import Numbers
from loadtest.load.people import People
from loadtest.load.process import Process
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings

SPOKEN = {
    "guide": GUIDE,
    "renamed": Renamed(events={"connection:authenticated": "hello"}),
    "greets nobody": Renamed(greets=False),
}

class Speaking(ChatUser): pass
class Intruder(Intruding): pass

url, Speaking.dialect = sys.argv[1], SPOKEN[sys.argv[2]]
chosen = settings({"jwt_secret": "a secret of the tests, long enough for HS256", "start_anew": "60s",
                   "connect_timeout": "500ms"})
environment = Environment(user_classes=[Intruder, Speaking])
process = environment.loadtest_process = Process(
    "local", read_endpoint(url, chosen), chosen, People(chosen), Numbers(), environment.events.request
)
user = Intruder(environment)
user.on_start()
user.intrude()
(connect,) = process.recorder.take().connects
print(json.dumps([connect.outcome, connect.bad_token]))
"""


def let_in(connection):
    connection.send(json.dumps({"type": "hello"}))
    list(connection)


def refuse(connection):
    connection.close(1008)


@pytest.mark.parametrize(
    ("dialect", "server", "outcome"),
    [
        ("guide", refuse, "AUTH_FAILED"),
        ("renamed", refuse, "AUTH_FAILED"),
        ("renamed", let_in, "ok"),
        ("greets nobody", refuse, "AUTH_FAILED"),
        ("greets nobody", let_in, "ok"),
    ],
)
def test_it_is_tried_once_and_told_in_the_servers_words(dialect, server, outcome):
    with behaving(server) as port:
        words = [sys.executable, "-c", STORY, f"ws://127.0.0.1:{port}/ws", dialect]
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (told.stdout.strip(), told.stderr) == (json.dumps([outcome, "missing"]), "")
