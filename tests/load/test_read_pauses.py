"""What a slow reader says of its pauses, against the reference server: what it did about it, on real sockets."""

import json
import subprocess
import sys

import pytest

STORY = """
import json
import sys
from urllib.request import urlopen

import gevent
from locust.env import Environment

from loadtest.client.state import State
from loadtest.load import ChatUser, SlowReading
from loadtest.load.numbers import Numbers
from loadtest.load.people import People
from loadtest.load.process import Process
from loadtest.load.reach import read_endpoint
from loadtest.settings import settings

class Reader(SlowReading):
    participants = 2

class Talker(ChatUser):
    participants = 2

url, secret, control = sys.argv[1:]
soon = {"reconnect_base": "20ms", "reconnect_max": "20ms"}
chosen = settings({"jwt_secret": secret, "rate_limit": "none", "expect_stream": "no"} | soon)
environment = Environment()
process = environment.loadtest_process = Process(
    "local", read_endpoint(url, chosen), chosen, People(chosen), Numbers(), environment.events.request
)
reader, talker = Reader(environment), Talker(environment)

def until(happened):
    with gevent.Timeout(20):
        while not (found := happened()):
            gevent.sleep(0.002)
    return found

def nothing():
    pass

def verdict(before=nothing, meanwhile=nothing):
    until(lambda: reader.client.state is talker.client.state is State.AUTHENTICATED)
    reader.say(0)  # joins
    until(lambda: not reader.client.open)
    before()
    reader.pause_reading(0)
    meanwhile()
    reader.resume_reading(0)
    return until(lambda: [each.key for each in process.recorder.tally.take() if each.name == "read_pause"])

def talk():
    talker.say(0)
    until(lambda: not talker.client.open)

def restart():
    urlopen(control + "/faults", b"cut-all:1012").close()
    until(lambda: talker.client.losses)

def talk_too_much():
    def given_up():
        for _ in range(20):
            talker.client.send("conv-0", "\\u6f22" * 10_000)
        until(lambda: not talker.client.open)
        with urlopen(control + "/counts") as answer:
            return json.load(answer)["slow_readers"]
    until(given_up)

for user in (reader, talker):
    user.on_start()
print(json.dumps({
    "talk": verdict(meanwhile=talk),
    "loss": verdict(before=reader.client.reset),
    "restart": verdict(meanwhile=restart),
    "too much": verdict(meanwhile=talk_too_much),
}))
"""


@pytest.fixture(scope="module")
def verdicts(reference_server_of, tmp_path_factory):
    options = ("--control-port", "0", "--no-ai", "--rate-limit", "none")
    server = reference_server_of(tmp_path_factory.mktemp("server"), options)
    try:
        control = server._process.stdout.readline().strip().removeprefix("control: ")
        words = [sys.executable, "-c", STORY, server.url, server.secret, control]
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert told.stderr == ""
        return json.loads(told.stdout)
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("what_befalls", "verdict"),
    [
        ("talk", "kept"),
        ("loss", "not connected"),
        ("restart", "closed 1012 by server"),
        ("too much", "closed 1006 by server"),
    ],
)
def test_each_pause_has_the_one_verdict_that_fits(verdicts, what_befalls, verdict):
    assert verdicts[what_befalls] == [verdict]
