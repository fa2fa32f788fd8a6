"""Streams that answer nobody here: those of other participants, and those whose message was never seen. Pure.

Every participant of a conversation gets every frame, so their integrity is checked here too. No latency comes of them:
when their question left is not known, and who joined in the middle has not seen their beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loadtest.client.dialect import Content
from loadtest.client.recent import Recent
from loadtest.client.stream import NOWHERE, IsForeign, Stream, new_stream
from loadtest.client.tally import Tally
from loadtest.model import StreamState, Violation
from loadtest.protocol import MessageStream

FOLLOWED: Final = 16
"""Streams of others that are followed at once, since each keeps its text."""

FOREIGN: Final = "foreign_stream_frame"
"""Counter of the frames of streams that answer another participant."""
UNMATCHED: Final = "unmatched_stream"
"""Counter of the frames of streams whose message was never seen."""


@dataclass(slots=True)
class _Open:
    """One that goes on.

    Attributes:
        counter: what its frames are counted as.
        heard_ns: when the last of them arrived.
    """

    stream: Stream
    counter: str
    heard_ns: int


class Followed:
    """The streams of others that one user gets to see.

    Counts `foreign_stream_frame` and `unmatched_stream` (frames), `foreign_stream` (streams by how they ended) and
    `foreign_stream_violation` by kind.

    Args:
        is_foreign: see `Stream`.

    Attributes:
        any: whether there has been one.
    """

    __slots__ = ("_content", "_ended", "_is_foreign", "_open", "_tally", "any")

    def __init__(self, content: Content, tally: Tally, is_foreign: IsForeign) -> None:
        self._content = content
        self._tally = tally
        self._is_foreign = is_foreign
        self.any = False
        self._open: dict[str, _Open] = {}
        self._ended: Recent[str] = Recent()

    def take(self, chunk: MessageStream, size: int, at_ns: int, bound_ns: int) -> bool:
        """Take a chunk in where its stream is or was followed; returns whether it is."""
        id_ = chunk.message_id
        followed = self._open.get(id_)
        if followed is None:
            return self._take_late(chunk)
        stream = followed.stream
        followed.heard_ns = at_ns
        self._tally.add(followed.counter)
        violation = stream.take(chunk, size, at_ns, bound_ns)
        if violation is not None:
            self._tally.add("foreign_stream_violation", violation)
        if stream.over is not None:
            self._end(id_, stream.over)
        return True

    def follow(self, chunk: MessageStream, size: int, at_ns: int, bound_ns: int, counter: str) -> None:
        """A stream begins here, or is joined in the middle.

        Args:
            counter: what its frames are counted as, `FOREIGN` or `UNMATCHED`.
        """
        if len(self._open) >= FOLLOWED:
            self._end(next(iter(self._open)), "one of too many")
        self.any = True
        stream = new_stream(self._content, chunk.message_id, chunk.conversation_id, NOWHERE, self._is_foreign)
        self._open[chunk.message_id] = _Open(stream, counter, at_ns)
        self.take(chunk, size, at_ns, bound_ns)

    def fail(self, stream_id: str) -> bool:
        """An error ended a stream; returns whether it was followed."""
        if stream_id not in self._open:
            return False
        self._end(stream_id, StreamState.ERRORED)
        return True

    def end_all(self, how: str) -> None:
        """The connection went away, or the run is over."""
        for id_ in list(self._open):
            self._end(id_, how)

    def expire(self, silent_since_ns: int) -> None:
        """Give up those of which nothing has come since then, content or not."""
        for id_, followed in list(self._open.items()):
            if followed.heard_ns < silent_since_ns:
                self._end(id_, StreamState.INCOMPLETE)

    def streams(self) -> Iterator[Stream]:
        """Those that go on."""
        return (followed.stream for followed in self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def _end(self, id_: str, how: str) -> None:
        counter = self._open.pop(id_).counter
        self._tally.add("foreign_stream", how)
        self._ended.remember(id_, counter if how == StreamState.COMPLETED else "")

    def _take_late(self, chunk: MessageStream) -> bool:
        """A frame of a stream that has ended: a violation where it had completed, and the same stream again if not."""
        counter = self._ended.get(chunk.message_id)
        if not counter:
            return False
        late = Violation.SECOND_COMPLETION if chunk.is_complete else Violation.AFTER_COMPLETION
        self._tally.add(counter)
        self._tally.add("foreign_stream_violation", late)
        return True
