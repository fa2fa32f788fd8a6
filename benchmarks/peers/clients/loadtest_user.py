"""Ours, with everything on: records to run.db, health, Locust events. The same work as the other clients."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import locust
from asked import HOLD, INTERVAL_S, MESSAGES, TEXT, Ending, due_s

from loadtest.load import Action, ChatUser
from loadtest.protocol import MessageStream, ServerEvent

ending = Ending()


class Peer(ChatUser):
    """What both kinds of user have in common."""

    abstract = True

    def text(self) -> str:
        return TEXT


class ClosedLoop(Peer):
    """Sends its next message when the answer to the last one is complete."""

    abstract = INTERVAL_S > 0
    said = 0
    done = 0

    def schedule(self) -> Iterator[float]:
        return iter((0.0,) if MESSAGES else ())

    def say(self, intended_ns: int) -> None:
        self.said += 1
        super().say(intended_ns)

    def on_event(self, event: ServerEvent) -> None:
        if not isinstance(event, MessageStream) or not event.is_complete:
            return
        self.done += 1
        if self.done == MESSAGES:
            ending.finished(self.environment.runner)
        else:
            self.say(time.monotonic_ns())


class Paced(Peer):
    """Sends on its schedule, as every user of ours."""

    abstract = INTERVAL_S == 0

    def actions(self) -> Iterator[Action]:
        times = due_s(self.number)
        for at in times:
            yield Action(at, self.say)
        if not HOLD:
            yield Action(times[-1], self.see_the_answers)

    def see_the_answers(self, _intended_ns: int) -> None:
        """Wait until nothing is open any more."""
        while self.client.awaiting(time.monotonic_ns()):
            gevent.sleep(0.05)
        ending.finished(self.environment.runner)


@locust.events.quit.add_listener
def read_summary(**_facts: object) -> None:
    """Our own word on the run: what it received, how many answers were complete, and whether its latencies hold."""
    summary = json.loads((Path(os.environ["PEERS_RESULTS"]) / "latest" / "summary.json").read_text())
    counts = summary["counts"]
    ending.facts = {
        "frames": counts["frames_received"],
        "completed": counts["streams_completed"],
        "verdict": summary["verdict"]["status"],
        "reasons": summary["verdict"]["reasons"],
    }
