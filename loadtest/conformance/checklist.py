"""The guide's testing checklist as cases. Pure.

Items and their order are the guide's; the last one collects what the guide leaves open, where `conforms` means: as the
guide's own backend does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from loadtest.analysis.conformance import Case, CaseVerdict
from loadtest.errors import UsageError


class Item(Struct, frozen=True):
    """One item of the checklist: its cases by id, each with what is looked at."""

    title: str
    cases: dict[str, str]


ITEMS: Final = (
    Item(
        "Connection with valid JWT",
        {
            "valid-token": "a valid token is answered by connection:authenticated",
            "connection-id": "each connection has a connectionId of its own",
        },
    ),
    Item(
        "Connection rejection with invalid JWT",
        {
            "missing-token": "no token is refused with AUTH_REQUIRED",
            "malformed-token": "what is no JWT is refused with AUTH_FAILED",
            "wrong-signature": "a token whose signature is wrong is refused with AUTH_FAILED",
            "unsigned-token": 'a token without a signature ("alg": "none") is refused with AUTH_FAILED',
            "expired-token": "a token that has expired is refused with AUTH_FAILED",
        },
    ),
    Item(
        "Send message and receive ack",
        {
            "acks": "a message is acked received, then delivered",
            "one-character": "content of 1 character is accepted",
            "longest-content": "content of 10,000 characters is accepted",
            "empty-content": "content of 0 characters is refused",
            "too-long-content": "content of 10,001 characters is refused",
            "missing-fields": "a message without messageId, conversationId or content is refused",
            "no-timestamp": "a message without timestamp is accepted",
        },
    ),
    Item(
        "Receive messages from other users",
        {
            "broadcast": "another participant gets the message as it was sent, and once",
            "no-leak": "whoever is in another conversation gets nothing of it",
        },
    ),
    Item(
        "AI response streaming (token-by-token)",
        {
            "stream": "a message is answered by a stream that ends with isComplete",
            "cumulative": "each chunk holds all of the answer so far",
            "stream-to-others": "the other participants get the stream, too",
        },
    ),
    Item(
        "Typing indicators (start/stop)",
        {
            "typing-start": "typing:start reaches the other participants, and not its sender",
            "typing-stop": "typing:stop does, too",
            "typing-rate": "a second typing:start within 1 second is not passed on",
            "typing-auto-stop": "typing stops by itself after 5 seconds",
        },
    ),
    Item(
        "Rate limit handling",
        {
            "limit": "the declared number of messages is admitted, and no more",
            "limit-scope": "connections of one user share its limit, and users do not",
            "limit-answer": 'a rejected message gets an ack error "... Try again in X seconds", and nothing else',
            "limit-promise": "after X seconds a message is admitted again, and not much sooner",
            "limit-window": "the window is as long as declared",
        },
    ),
    Item(
        "Disconnection and reconnection",
        {
            "close": "a close with 1000 is answered",
            "reconnect": "after a lost connection a new one works at once",
        },
    ),
    Item("Message queuing during disconnection", {"queue": "what was queued meanwhile is delivered in its order"}),
    Item("Auto-scroll during streaming", {"auto-scroll": "the page follows the stream"}),
    Item(
        "Error handling for all scenarios",
        {
            "malformed-json": "what is no JSON is answered by an error, and the connection stays",
            "unknown-type": "an event of an unknown type is, too",
            "internal-error": "INTERNAL_ERROR is told to the client",
        },
    ),
    Item(
        "Where the guide is silent",
        {
            "established": "the server itself sends connection:established",
            "refusal": "how a token is refused",
            "stream-ids": "id of the stream that answers a message",
            "own-broadcast": "the sender gets its own message, too",
            "length-unit": "what the 10,000 are counted in",
            "same-id-twice": "a second message of the same messageId",
            "early-message": "a message sent before connection:authenticated",
            "invalid-message": "the answer to an invalid message",
            "limiter-kind": "kind of the rate limit",
            "unlisted": "events and fields that the guide does not list",
        },
    ),
)
TITLES: Final = {id_: title for item in ITEMS for id_, title in item.cases.items()}

GROUPS: Final = {
    "connection": ("valid-token", "connection-id", "established"),
    "tokens": (*ITEMS[1].cases, "refusal"),
    "messages": (
        *(id_ for id_ in ITEMS[2].cases if id_ != "acks"),
        "length-unit",
        "same-id-twice",
        "early-message",
        "invalid-message",
    ),
    "streams": ("acks", *ITEMS[3].cases, *ITEMS[4].cases, "stream-ids", "own-broadcast"),
    "typing": tuple(ITEMS[5].cases),
    "limiter": (*ITEMS[6].cases, "limiter-kind"),
    "reconnection": (*ITEMS[7].cases, *ITEMS[8].cases),
    "errors": tuple(ITEMS[10].cases),
    "page": tuple(ITEMS[9].cases),
    "unlisted": ("unlisted",),
}
"""Cases that are looked at together, by a name of their own."""


def chosen(names: Iterable[str]) -> frozenset[str]:
    """Ids of the cases that are named, by themselves or by their group; all of them where none is.

    Raises:
        UsageError: there is no such case.
    """
    found: set[str] = set()
    for name in names:
        if name in GROUPS:
            found.update(GROUPS[name])
        elif name in TITLES:
            found.add(name)
        else:
            raise UsageError(f"--only: there is no case {name!r}; give one of {', '.join(GROUPS)}, or the id of a case")
    return frozenset(found or TITLES)


class Findings:
    """What was found, case by case, while a check goes on."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[CaseVerdict, str]] = {}

    def note(self, id_: str, verdict: CaseVerdict, seen: str) -> None:
        """Conclude a case; the first conclusion stands."""
        if id_ not in TITLES:
            raise KeyError(id_)
        self._found.setdefault(id_, (verdict, seen))

    def conforms(self, id_: str, seen: str) -> None:
        self.note(id_, CaseVerdict.CONFORMS, seen)

    def differs(self, id_: str, seen: str) -> None:
        self.note(id_, CaseVerdict.DIFFERS, seen)

    def fails(self, id_: str, seen: str) -> None:
        self.note(id_, CaseVerdict.FAILS, seen)

    def untested(self, ids: Iterable[str], why: str) -> None:
        """Conclude that cases cannot be tested, as far as they are open."""
        for id_ in ids:
            self.note(id_, CaseVerdict.UNTESTED, why)

    def cases(self, wanted: frozenset[str]) -> Iterator[Case]:
        """The cases wanted, in the order of the guide."""
        for number, item in enumerate(ITEMS, 1):
            for place, (id_, title) in enumerate(item.cases.items(), 1):
                if id_ in wanted:
                    verdict, seen = self._found.get(id_, (CaseVerdict.UNTESTED, "it was not reached"))
                    yield Case(id_, f"{number}.{place}", item.title, title, verdict, seen)
