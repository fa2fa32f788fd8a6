"""`loadtest check` of a server that speaks another dialect: its own names in an envelope, deltas, and no greeting."""

import json
import threading
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from check_stage import SECRET, seen, verdicts
from real_servers import behaving
from websockets.exceptions import ConnectionClosed

from loadtest.analysis.limits.limiter import FoundKind
from loadtest.client.dialect import Content, Dialect, Renamed
from loadtest.conformance.check import Asked, Checker
from loadtest.load.people import People
from loadtest.protocol import CONTENT_MAX
from loadtest.server.limiter import FixedWindow
from loadtest.settings import Rate, settings

SUPPORT = Renamed(
    type_field="event",
    body_field="data",
    events={
        "message:send": "chat.say", "message:ack": "chat.ack", "message:receive": "chat.said",
        "message:stream": "chat.delta",
    },
    fields={"messageId": "id", "content": "text", "isComplete": "last"},
    content=Content.DELTAS,
    stream_prefix="reply/",
    rate_limited="slow down",
    retry_after=r"wait (\d+) ?s",
    greets=False,
)  # fmt: skip


def user_of(request):
    """Whoever a good token is about; None without one."""
    token = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
    with suppress(jwt.InvalidTokenError):
        return jwt.decode(token, SECRET, algorithms=["HS256"])["userId"]


class Support:
    """The guide's server in other words: 10 messages in 2 s, broadcasts, and an answer of three chunks."""

    def __init__(self):
        self._limiter, self._lock, self._rooms = FixedWindow(Rate(10, 2.0)), threading.Lock(), {}

    def __call__(self, connection):
        user = user_of(connection.request)
        with suppress(ConnectionClosed):
            for raw in connection:
                with self._lock:
                    self._take(connection, user, json.loads(raw)["data"])

    def _take(self, connection, user, said):
        id_, room, text = said["id"], said["conversationId"], said["text"]
        if not (id_ and room and 0 < len(text.encode("utf-16-le")) // 2 <= CONTENT_MAX):
            self._say([connection], "chat.ack", id=id_, status="error", error="not like that")
        elif wait_s := self._limiter.take(user, time.monotonic_ns()):
            self._say([connection], "chat.ack", id=id_, status="error", error=f"Slow down, wait {wait_s}s")
        else:
            here = self._rooms.setdefault(room, {connection: None})
            here[connection] = None
            self._say([connection], "chat.ack", id=id_, status="received")
            self._say(here, "chat.said", id=id_, conversationId=room, text=text, userId=user)
            self._say([connection], "chat.ack", id=id_, status="delivered")
            for piece in ("Hel", "lo", ""):
                self._say(here, "chat.delta", id=f"reply/{id_}", conversationId=room, text=piece, last=not piece)

    @staticmethod
    def _say(connections, event, **data):
        for each in connections:
            with suppress(ConnectionClosed):
                each.send(json.dumps({"event": event, "data": data}))


def checked(port, *only, dialect=SUPPORT, reply_timeout="1s"):
    chosen = settings({"jwt_secret": SECRET, "rate_limit": "10/2s", "reply_timeout": reply_timeout})
    asked = Asked(host=f"ws://127.0.0.1:{port}/ws", only=list(only))
    return Checker(asked, chosen, People(chosen), dialect).run()


@pytest.fixture(scope="module")
def found():
    def refuse(connection, request):
        return connection.respond(401, "") if user_of(request) is None else None

    with behaving(Support(), process_request=refuse) as port:
        return checked(port, "connection", "tokens", "messages", "streams", "limiter", "reconnection")


def test_whoever_keeps_the_guide_in_other_words_fails_nothing(found):
    assert not found.failed, [case for case in found.cases if case.verdict == "fails"]
    told = {id_: seen(found)[id_] for id_, verdict in verdicts(found).items() if verdict == "differs"}
    assert told.pop("valid-token").endswith("without a word")
    assert told == {"refusal": "by HTTP 401", "established": "not sent", "invalid-message": "ack error"}
    untested = {id_ for id_, verdict in verdicts(found).items() if verdict == "cannot be tested"}
    assert untested == {"connection-id"}


def test_its_streams_and_its_limit_are_read_in_its_words(found):
    assert seen(found)["stream-ids"] == "reply/<messageId>"
    assert seen(found)["limit-answer"].startswith('ack error "Slow down, wait ')
    limiter = found.limiter
    assert (limiter.kind, limiter.limit, limiter.window_s) == (FoundKind.FIXED, 10, 2.0)


def test_a_server_that_greets_nobody_and_takes_a_bad_token_is_an_alarm():
    with behaving(lambda connection: [*connection]) as port:
        told = seen(checked(port, "tokens", reply_timeout="200ms"))
    assert all("ALARM: it was LET IN" in told[id_] for id_ in told if id_ != "refusal")


def test_a_dialect_that_fails_costs_verdicts_and_is_told():
    class Failing(Dialect):
        def decode(self, data):
            raise KeyError(data)

    def answer(connection):
        for _ in connection:
            connection.send("an answer")

    with behaving(answer) as port:
        found = checked(port, "one-character", "unlisted", dialect=Failing(greets=False), reply_timeout="200ms")
    assert verdicts(found)["one-character"] == "fails"
    assert seen(found)["unlisted"] == "frames that cannot be read: the dialect fails with KeyError"
