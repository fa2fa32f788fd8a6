"""A run without Locust: clients on real sockets, recorded, written and summarized as those of a run are."""

import random
import time
from typing import NamedTuple

from chat_stage import QUICK, NoTable, until
from reference_server import SECRET
from staged_run import stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.rooms.judge import CLOCKS
from loadtest.analysis.summary import summarize
from loadtest.analysis.values import Summary
from loadtest.client.client import ChatClient
from loadtest.client.config import ClientConfig
from loadtest.client.endpoint import Endpoint
from loadtest.client.expectation import Expectation
from loadtest.client.message import Identity
from loadtest.client.tokens import MintedTokens
from loadtest.load.recorder import Recorder
from loadtest.model import Population
from loadtest.runs.reader import RunReader
from loadtest.settings import Backoff

SEED = 1
TIMEOUT_S = 30.0
SOUND = {
    "sent", "sent_on_wire", "offered", "delivered", "rejected", "streams_started", "streams_completed",
    "streams_not_expected", "frames_received", "bytes_received", "bytes_received_on_wire", "bytes_sent",
    "bytes_sent_on_wire", "connects", "broadcasts_expected", "broadcasts_seen", "broadcasts_ambiguous", "intruders",
    "intruders_refused",
}  # fmt: skip
"""What a summary counts in a run in which nothing is wrong."""
PLAIN = {
    "broadcast", "negotiated", "coalesced_frames", "reads_without_stamp", "stamps_clamped", "frames_sent", "bytes_sent",
}  # fmt: skip
"""What it has seen in one."""


class Found(NamedTuple):
    """What a run came to."""

    summary: Summary
    measured: Measured

    @property
    def findings(self):
        """All in the summary that is not as it should be, by name."""
        summary = self.summary
        found = {name: count for name, count in summary.counts.items() if count and name not in SOUND}
        reasons = {name: getattr(summary, name) for name in ("timeouts", "errors", "losses", "connect_failures")}
        for name, keys in (reasons | summary.seen).items():
            if name not in PLAIN:
                found |= {f"{name}: {key}": count for key, count in keys.items()}
        return found

    def at_least(self, metric, least_ms):
        """How many samples of a metric are so long."""
        return int((self.measured.samples(metric).values >= least_ms * 1e6).sum())


class Users:
    """The users of one run.

    Attributes:
        clients: each with one connection, in the order of joining.
    """

    def __init__(self, url, limit=None):
        self.clients = []
        self.recorder = Recorder("local", NoTable())
        self.recorder.tally.add(CLOCKS, "of this machine")
        self._url, self._limit = url, limit
        self._expectation = Expectation(None)
        self._began_ns = time.monotonic_ns()

    def new(self, population=Population.HEADLINE, *, seat=None, ping_timeout_s=None, backoff=QUICK):
        """One more, who is connected; with a `seat` it takes part in a room."""
        client = self.client(
            MintedTokens(SECRET), self.recorder, population, seat=seat, ping_timeout_s=ping_timeout_s, backoff=backoff
        )
        self.clients.append(client)
        assert client.connect()
        return client

    def client(
        self, tokens, observer, population=Population.HEADLINE, *, seat=None, ping_timeout_s=None, backoff=QUICK
    ):
        """One that has yet to connect, and is no part of the run but by its observer."""
        number = len(self.clients)
        identity = Identity(tokens.user_id(number), "WithinLimitUser", population, seat)
        endpoint = Endpoint(url=self._url, connect_timeout_s=10.0, max_frame_size=2**20, ping_timeout_s=ping_timeout_s)
        config = ClientConfig(endpoint, TIMEOUT_S, backoff)
        rng = random.Random(f"{SEED}/{number}")
        return ChatClient(identity, number, config, tokens, self._expectation, observer, rng, room=self.recorder.rooms)

    def hear(self):
        """All that the server has written is here: the answer to a ping comes behind it."""
        for client in self.clients:
            pongs = len(self.recorder.pings)
            client.ping()
            until(lambda: len(self.recorder.pings) > pongs)  # noqa: B023 - called before the next turn

    def give_up(self):
        """What has not come by now will not come in time."""
        for client in self.clients:
            client.expire(time.monotonic_ns() + round(TIMEOUT_S * 1e9) + 1)

    def end(self, folder):
        """The run is over."""
        ended_ns = time.monotonic_ns()
        for client in self.clients:
            client.finish()
        batches = self.recorder.take_all()
        for client in self.clients:
            client.disconnect()
        written = stage(
            folder,
            batches,
            users=len(self.clients),
            started_ns=self._began_ns,
            spawned_ns=self._began_ns,
            stopped_ns=ended_ns,
            ended_ns=ended_ns,
            warmup_s=0.0,
            reply_timeout_s=TIMEOUT_S,
            limit_messages=self._limit.messages if self._limit else None,
            limit_window_s=self._limit.window_s if self._limit else None,
        )
        with RunReader(written) as run:
            measured = Measured(load(run))
            return Found(summarize(measured), measured)


NEVER = Backoff(attempts=0)
"""Of clients that try once."""
