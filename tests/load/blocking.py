"""A locustfile whose event loop is blocked: half of the time, for 30 ms at a time, as by a slow hook."""

import time

import gevent
from locust import events

from loadtest.load import ChatUser

BLOCKED_S = 0.03


def block():
    while True:
        gevent.sleep(BLOCKED_S)
        until = time.monotonic() + BLOCKED_S
        while time.monotonic() < until:
            pass


@events.test_start.add_listener
def begin_to_block(**_):
    gevent.spawn(block)


class WithinLimitUser(ChatUser):
    pass
