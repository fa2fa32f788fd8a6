"""The usual hand-written Locust user: websocket-client, a greenlet blocking in recv, json, three events a message."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import gevent
import locust
import websocket
from asked import INTERVAL_S, PORT, TEXT, USERS, Ending, due_s
from gevent.event import Event
from locust import User, task

ending = Ending()
numbers = iter(range(USERS))
frames = 0
completed = 0


class WebSocketClientUser(User):
    """One connection, one greenlet that reads it."""

    def on_start(self) -> None:
        self.number = next(numbers)
        self.open: dict[str, float] = {}
        self.streaming: set[str] = set()
        self.authenticated, self.idle = Event(), Event()
        url = f"ws://127.0.0.1:{PORT}/ws?token={os.environ['PEERS_TOKEN']}"
        self.socket = websocket.create_connection(url)
        self.reader = gevent.spawn(self.read)
        self.authenticated.wait()

    def on_stop(self) -> None:
        self.reader.kill()
        self.socket.close()

    @task
    def chat(self) -> None:
        began = time.perf_counter()
        for place, due in enumerate(due_s(self.number)):
            if INTERVAL_S:
                gevent.sleep(max(began + due - time.perf_counter(), 0.0))
            self.say(f"msg-{self.number}-{place}")
            if not INTERVAL_S:
                self.wait_for_answers()
        self.wait_for_answers()
        ending.finished(self.environment.runner)
        gevent.sleep(3600)

    def wait_for_answers(self) -> None:
        while self.open:
            self.idle.clear()
            self.idle.wait()

    def say(self, message_id: str) -> None:
        self.open[message_id] = time.perf_counter()
        self.socket.send(
            json.dumps(
                {
                    "type": "message:send",
                    "messageId": message_id,
                    "conversationId": f"conv-{self.number}",
                    "content": TEXT,
                }
            )
        )

    def read(self) -> None:
        global frames  # noqa: PLW0603
        while True:
            text = self.socket.recv()
            if not text:
                return
            frames += 1
            self.on_event(json.loads(text))

    def on_event(self, event: dict[str, Any]) -> None:
        if event["type"] == "message:stream":
            self.on_stream(event, event["messageId"].removeprefix("ai-"))
        elif event["type"] == "message:ack" and event["status"] == "delivered":
            self.fire("ack_delivered", event["messageId"])
        elif event["type"] == "connection:authenticated":
            self.authenticated.set()

    def on_stream(self, event: dict[str, Any], message_id: str) -> None:
        global completed  # noqa: PLW0603
        if message_id not in self.streaming:
            self.streaming.add(message_id)
            self.fire("ttft", message_id)
        if event["isComplete"]:
            self.fire("stream_completion", message_id)
            self.streaming.discard(message_id)
            del self.open[message_id]
            completed += 1
            if not self.open:
                self.idle.set()

    def fire(self, name: str, message_id: str) -> None:
        self.environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=(time.perf_counter() - self.open[message_id]) * 1e3,
            response_length=0,
            exception=None,
            context={},
        )


@locust.events.quit.add_listener
def count(**_facts: object) -> None:
    """Its word on the run."""
    ending.facts = {"frames": frames, "completed": completed}
