"""Users within the limit, in a process whose event loop is held up on purpose.

BLOCK_MS: length of a burst in which nothing else runs; BLOCKS_PER_S: bursts a second.
"""

import os
import time

import gevent
from locust import events

from loadtest.load import ChatUser

LENGTH_S = float(os.environ["BLOCK_MS"]) / 1e3
EVERY_S = 1.0 / float(os.environ["BLOCKS_PER_S"])


class WithinLimitUser(ChatUser):
    """Sends at --message-rate."""


def block() -> None:
    """Busy for a burst, then let the others run for the rest of its turn."""
    while True:
        gevent.sleep(EVERY_S - LENGTH_S)
        until = time.perf_counter() + LENGTH_S
        while time.perf_counter() < until:
            pass


@events.test_start.add_listener
def begin(**_facts: object) -> None:
    gevent.spawn(block)
