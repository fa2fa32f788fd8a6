"""A locustfile of workers that measure nothing and report much: messages that nobody sent, at a steady rate."""

from __future__ import annotations

import os
import time
from typing import Any

import gevent
from locust import task
from locust.exception import StopUser

from loadtest.load import ChatUser
from loadtest.model import Message, Outcome, Population, StreamState

RECORDS_A_SECOND = float(os.environ.get("SYNTHETIC_RECORDS", "1250"))
"""Of each user."""
TICK_S = 0.02
US, MS = 1_000, 1_000_000


class SyntheticUser(ChatUser):
    """Makes records of messages as a client would, without one."""

    def on_start(self) -> None:
        self._began, self._made = time.monotonic(), 0

    def on_stop(self) -> None: ...

    def wait_time(self) -> float:
        return TICK_S

    @task
    def act(self) -> None:
        process: Any = self._process
        if process is None:
            raise StopUser
        due = round((time.monotonic() - self._began) * RECORDS_A_SECOND)
        while process.sending and self._made < due:
            process.recorder.tally.add("messages_offered")
            process.recorder.on_message(self._message())
            self._made += 1
            if self._made % 20 == 0:
                gevent.sleep(0)

    def _message(self) -> Message:
        sent = time.monotonic_ns() - 900 * MS
        return Message(
            user=f"synthetic-{id(self)}",
            user_class=type(self).__name__,
            population=Population.HEADLINE,
            conversation=f"conv-{self._made % 97}",
            message_id=f"msg-{sent}-{self._made}",
            intended_ns=sent - 20 * US,
            sent_ns=sent,
            outcome=Outcome.DELIVERED,
            received_ns=sent + 1 * MS,
            delivered_ns=sent + (2 + self._made % 7) * MS,
            stream_state=StreamState.COMPLETED,
            first_content_ns=sent + 400 * MS,
            last_content_ns=sent + 850 * MS,
            completed_ns=sent + 860 * MS,
            chunks=41,
            chars=400,
            stream_bytes=9_000,
        )
