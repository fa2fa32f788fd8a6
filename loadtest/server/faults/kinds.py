"""The table of faults: what each does, what it is counted by, and which value it takes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from loadtest.settings import duration, positive_duration, positive_int

CLOSE_CODES: Final = (1001, 1006, 1008, 1011, 1012, 1013)


class Per(StrEnum):
    """What the occasions of a fault are: it is ordered for the first, every tenth, a share of these."""

    MESSAGE = "accepted message"
    BROADCAST = "accepted message with another participant to read it"
    OUTSIDER = "accepted message with somebody in another conversation"
    ANSWER = "answer"
    BESIDE = "answer that another one is streamed beside, in the same conversation"
    ADMISSION = "message that the rate limit admits"
    REJECTION = "message that the rate limit rejects"
    UPGRADE = "upgrade to a WebSocket"
    GOOD_TOKEN = "connection with a good token"
    BAD_TOKEN = "connection with a bad token, or none"
    END = "end of an authenticated connection"
    MOMENT = "moment"


class Fault(StrEnum):
    """A fault by its name in an order."""

    ACK_DROP = "ack-drop"
    ACK_DOUBLE = "ack-double"
    ACK_LATE = "ack-late"
    ACK_REORDER = "ack-reorder"
    ACK_ERROR = "ack-error"
    ACK_UNKNOWN = "ack-unknown"
    STREAM_MISSING = "stream-missing"
    STREAM_TRUNCATE = "stream-truncate"
    STREAM_REPEAT = "stream-repeat"
    STREAM_SHRINK = "stream-shrink"
    STREAM_REWRITE = "stream-rewrite"
    STREAM_REORDER = "stream-reorder"
    STREAM_FOREIGN = "stream-foreign"
    STREAM_UNKNOWN = "stream-unknown"
    STREAM_AFTER = "stream-after"
    STREAM_COMPLETE_TWICE = "stream-complete-twice"
    STREAM_EMPTY_FIRST = "stream-empty-first"
    STREAM_FREEZE = "stream-freeze"
    STREAM_DELTA = "stream-delta"
    STREAM_ERROR = "stream-error"
    STREAM_CUT = "stream-cut"
    BROADCAST_WITHHOLD = "broadcast-withhold"
    BROADCAST_LEAK = "broadcast-leak"
    BROADCAST_DOUBLE = "broadcast-double"
    BROADCAST_ALTER = "broadcast-alter"
    BROADCAST_MISNAME = "broadcast-misname"
    BROADCAST_LATE = "broadcast-late"
    LIMIT_LEAK = "limit-leak"
    LIMIT_FALSE = "limit-false"
    LIMIT_MISTIME = "limit-mistime"
    CPU = "cpu"
    CPU_RANDOM = "cpu-random"
    CUT = "cut"
    HANDSHAKE_SLOW = "handshake-slow"
    AUTH_REFUSE = "auth-refuse"
    AUTH_LET_IN = "auth-let-in"
    GHOST = "ghost"
    CUT_ALL = "cut-all"
    REFUSE_CONNECTS = "refuse-connects"
    BLACK_HOLE = "black-hole"
    RESTART = "restart"

    @property
    def kind(self) -> Kind:
        """Its entry in the table."""
        return KINDS[self]

    @property
    def is_of_acks(self) -> bool:
        """Whether an order may name one of the two acks."""
        return self in (Fault.ACK_DROP, Fault.ACK_DOUBLE, Fault.ACK_LATE)


class Value(Struct, frozen=True):
    """The value of a fault, as in `stream-freeze:3s`.

    Attributes:
        metavar: what help calls it.
        parse: text to number (durations in seconds); raises ValueError with what was wrong and what to do.
        default: the value when none is given; None if one must be.
    """

    metavar: str
    parse: Callable[[str], float]
    default: float | None = None


class Kind(Struct, frozen=True):
    """One fault.

    Attributes:
        per: what its occasions are.
        does: what it does, for a person.
        value: the value that it takes, if it takes one.
        least_chunks: shorter answers are no occasion.
    """

    per: Per
    does: str
    value: Value | None = None
    least_chunks: int = 1


def _close_code(text: str) -> float:
    if text not in {str(code) for code in CLOSE_CODES}:
        raise ValueError(f"{text!r} is none of the close codes {', '.join(map(str, CLOSE_CODES))}")
    return int(text)


def _seconds_off(text: str) -> float:
    """Signed, in whole seconds, since that is what a server promises."""
    sign = -1 if text.startswith("-") else 1
    seconds = duration(text.lstrip("+-"))
    if seconds < 1 or seconds % 1:
        raise ValueError(f"{text!r} is no difference in whole seconds: give one as in 5s or -5s")
    return sign * seconds


_TIME: Final = Value("TIME", positive_duration)
_READERS: Final = Value("READERS", positive_int, 1)
_CODE: Final = Value("CODE", _close_code, 1006)

KINDS: Final[dict[Fault, Kind]] = {
    Fault.ACK_DROP: Kind(Per.MESSAGE, "no ack, or not the one named: ack=received, ack=delivered"),
    Fault.ACK_DOUBLE: Kind(Per.MESSAGE, "each ack, or the one named, twice"),
    Fault.ACK_LATE: Kind(Per.MESSAGE, "both acks, or the one named, TIME late", _TIME),
    Fault.ACK_REORDER: Kind(Per.MESSAGE, "`delivered` before `received`"),
    Fault.ACK_ERROR: Kind(Per.MESSAGE, "an ack `error` and nothing else"),
    Fault.ACK_UNKNOWN: Kind(Per.MESSAGE, "another ack `delivered`, for a message that nobody sent"),
    Fault.STREAM_MISSING: Kind(Per.ANSWER, "no frame of it"),
    Fault.STREAM_TRUNCATE: Kind(Per.ANSWER, "its first half alone, and no completion", least_chunks=2),
    Fault.STREAM_REPEAT: Kind(Per.ANSWER, "a chunk twice", least_chunks=2),
    Fault.STREAM_SHRINK: Kind(Per.ANSWER, "a chunk with less content than its first", least_chunks=2),
    Fault.STREAM_REWRITE: Kind(Per.ANSWER, "from its middle on, what came before reads differently", least_chunks=2),
    Fault.STREAM_REORDER: Kind(Per.ANSWER, "two chunks in the wrong order, behind one that is not", least_chunks=4),
    Fault.STREAM_FOREIGN: Kind(Per.BESIDE, "among its chunks one with the text of the other"),
    Fault.STREAM_UNKNOWN: Kind(Per.ANSWER, "among its chunks one of a stream that answers nothing"),
    Fault.STREAM_AFTER: Kind(Per.ANSWER, "a chunk after its completion"),
    Fault.STREAM_COMPLETE_TWICE: Kind(Per.ANSWER, "two completions"),
    Fault.STREAM_EMPTY_FIRST: Kind(Per.ANSWER, "an empty chunk before the first, with the delivered ack"),
    Fault.STREAM_FREEZE: Kind(Per.ANSWER, "nothing for TIME more, in its middle", _TIME, least_chunks=2),
    Fault.STREAM_DELTA: Kind(Per.ANSWER, "chunks hold what is new and not all so far", least_chunks=2),
    Fault.STREAM_ERROR: Kind(Per.ANSWER, "its first half, then a `message:error` for it", least_chunks=2),
    Fault.STREAM_CUT: Kind(Per.ANSWER, "its asker's connection closed with CODE in its middle", _CODE, least_chunks=2),
    Fault.BROADCAST_WITHHOLD: Kind(Per.BROADCAST, "not for READERS of the others", _READERS),
    Fault.BROADCAST_LEAK: Kind(Per.OUTSIDER, "also for READERS who are in other conversations", _READERS),
    Fault.BROADCAST_DOUBLE: Kind(Per.BROADCAST, "twice for READERS of the others", _READERS),
    Fault.BROADCAST_ALTER: Kind(Per.BROADCAST, "other content for READERS of the others", _READERS),
    Fault.BROADCAST_MISNAME: Kind(Per.BROADCAST, "another `userId` for READERS of the others", _READERS),
    Fault.BROADCAST_LATE: Kind(Per.BROADCAST, "TIME late for one of the others", _TIME),
    Fault.LIMIT_LEAK: Kind(Per.REJECTION, "admitted all the same"),
    Fault.LIMIT_FALSE: Kind(Per.ADMISSION, "rejected all the same, `Try again in 1 seconds`"),
    Fault.LIMIT_MISTIME: Kind(Per.REJECTION, "the X of `Try again in X seconds` wrong by +TIME or -TIME",
                              Value("TIME", _seconds_off)),
    Fault.CPU: Kind(Per.MESSAGE, "TIME of the server's one core before it is acked", _TIME),
    Fault.CPU_RANDOM: Kind(Per.MESSAGE, "likewise, exponential with the mean TIME", _TIME),
    Fault.CUT: Kind(Per.MESSAGE, "its sender's connection closed with CODE in place of an ack", _CODE),
    Fault.HANDSHAKE_SLOW: Kind(Per.UPGRADE, "answered TIME late", _TIME),
    Fault.AUTH_REFUSE: Kind(Per.GOOD_TOKEN, "refused as AUTH_FAILED"),
    Fault.AUTH_LET_IN: Kind(Per.BAD_TOKEN, "let in as the user `intruder`"),
    Fault.GHOST: Kind(Per.END, "it still counts as a member of its conversation"),
    Fault.CUT_ALL: Kind(Per.MOMENT, "all connections, or a share, closed with CODE", _CODE),
    Fault.REFUSE_CONNECTS: Kind(Per.MOMENT, "nobody listens for TIME; open connections stay", _TIME),
    Fault.BLACK_HOLE: Kind(Per.MOMENT, "all connections, or a share, stay open and move nothing for TIME; then it "
                           "all arrives", _TIME),
    Fault.RESTART: Kind(Per.MOMENT, "all connections cut without a close frame, all forgotten, nobody listens for TIME",
                        _TIME),
}  # fmt: skip


def described() -> str:
    """The table as text: one fault a line, under what it is counted by."""
    lines = [
        "An order is NAME[:VALUE][,SETTING=...], as in ack-drop:every=10 or stream-freeze:3s,from=5,to=8.",
        "Which of them: from=, to= (from the 1st on), every= (so-manieth of these), share= (0 to 1, drawn; seed=).",
        "At a moment: at=TIME (from the start), every=TIME (and again), share= (of the connections; seed=).",
        "",
    ]
    for per in Per:
        lines.append(f"for every {per}" if per is not Per.MOMENT else "at a moment, of all connections")
        lines += [f"  {_usage(fault):28} {fault.kind.does}" for fault in Fault if fault.kind.per is per]
    return "\n".join(lines)


def _usage(fault: Fault) -> str:
    value = fault.kind.value
    if value is None:
        return fault
    return f"{fault}:{value.metavar}" if value.default is None else f"{fault}[:{value.metavar}]"
