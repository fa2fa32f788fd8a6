"""One streamed answer: its progress, and what its chunks do that the guide does not allow. Pure.

`take` runs for nearly every frame that a load test receives, so it does little where all is well and asks no questions
that only what is wrong needs answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, MutableSequence
from typing import Final, NamedTuple

from loadtest.client.dialect import Content
from loadtest.model import StreamState, Violation
from loadtest.protocol import MessageStream

_COMPLETED: Final = StreamState.COMPLETED
_NO_PROGRESS: Final = (Violation.REORDERED, Violation.TRUNCATED, Violation.FOREIGN)
"""Chunks that show a part of what was there already, or what is none of it."""


class Gaps(NamedTuple):
    """Where gaps between progress chunks go.

    Attributes:
        values: the gaps, ns.
        bounds: how far each may be off either way, ns, in the same order.
    """

    values: MutableSequence[int]
    bounds: MutableSequence[int]


NOWHERE: Final = Gaps(deque(maxlen=0), deque(maxlen=0))
"""For gaps that are in nobody's numbers."""


IsForeign = Callable[["Stream", str, int], bool]


class Stream:
    """An answer while it streams, of cumulative chunks; instants in ns.

    A chunk with the text of another answer changes nothing: it is none of this one's. Where that was the first, which
    only the second can tell, the answer begins with the second.

    Args:
        stream_id: its id on the wire.
        conversation: the one that its first chunk names; "" for none.
        gaps: where its gaps go.
        is_foreign: whether a text that does not go on from this answer's, or that this one's does not go on from, is
            that of another one, and was by an instant.

    Attributes:
        answer: the text so far; what the server showed last.
        over: how it ended; None while it goes on.
        chunks: its frames, the completion included.
        progress_chunks: those that brought new content.
        bytes: payload bytes of all its frames.
        guessed: whether its message was found by order, for want of a name.
        cut_pairs: characters that a chunk ended in the middle of.
    """

    __slots__ = (
        "_before",
        "_conversation",
        "_earlier",
        "_gap_bounds",
        "_gaps",
        "_is_foreign",
        "_last_content_bound_ns",
        "answer",
        "bytes",
        "chunks",
        "completed_bound_ns",
        "completed_ns",
        "cut_pairs",
        "first_content_bound_ns",
        "first_content_ns",
        "guessed",
        "last_content_ns",
        "longest_stall_ns",
        "over",
        "progress_chunks",
        "stream_id",
        "violations",
    )

    def __init__(self, stream_id: str, conversation: str, gaps: Gaps, is_foreign: IsForeign) -> None:
        self.stream_id = stream_id
        self._is_foreign = is_foreign
        self._conversation = conversation
        self._gaps, self._gap_bounds = gaps
        self.answer = ""
        self._before = ""  # the text before the last one
        self._earlier = ""  # the text that a rewritten chunk took the place of: a server that goes back to it errs once
        self.guessed = False
        self.over: StreamState | None = None
        self.chunks = self.progress_chunks = self.bytes = self.violations = self.cut_pairs = 0
        self.first_content_ns: int | None = None
        self.first_content_bound_ns: int | None = None
        self.last_content_ns: int | None = None
        self._last_content_bound_ns = 0
        self.completed_ns: int | None = None
        self.completed_bound_ns: int | None = None
        self.longest_stall_ns: int | None = None

    def take(self, chunk: MessageStream, size: int, at_ns: int, bound_ns: int) -> Violation | None:
        """Take one of its chunks in.

        Args:
            size: payload bytes.
            at_ns: when it arrived.
            bound_ns: how much earlier it may have arrived.

        Returns:
            What is wrong with it.
        """
        self.chunks += 1
        self.bytes += size
        if self.over is not None:
            return self._violated(Violation.SECOND_COMPLETION if chunk.is_complete else Violation.AFTER_COMPLETION)
        violation, content, before = None, chunk.content, self.answer
        if content == before:
            if not chunk.is_complete and self.chunks > 1:
                violation = self._unchanged()
        elif (
            content.startswith(before)
            or (violation := self._breach(before, chunk, at_ns)) not in _NO_PROGRESS
            or not self.progress_chunks  # it begins with this one
        ):
            last = self.last_content_ns
            if last is None:
                self.first_content_ns, self.first_content_bound_ns = at_ns, bound_ns
            else:
                gap = at_ns - last
                self._gaps.append(gap)
                self._gap_bounds.append(bound_ns + self._last_content_bound_ns)
                if self.longest_stall_ns is None or gap > self.longest_stall_ns:
                    self.longest_stall_ns = gap
            self.progress_chunks += 1
            self.last_content_ns = at_ns
            self._last_content_bound_ns = bound_ns
            self._before = self.answer
            self.answer = content
        if chunk.is_complete and (violation is not Violation.FOREIGN or self._is_here(chunk)):
            self.over = _COMPLETED
            self.completed_ns, self.completed_bound_ns = at_ns, bound_ns
        return violation

    def shows(self, content: str, by_ns: int) -> bool:
        """Whether a text is this answer's so far or goes on from it, and was by an instant, or this goes on from it.

        An answer that takes its own text back is known by none: deltas are soon alike.
        """
        text, first_ns = self.answer, self.first_content_ns
        if first_ns is None or not text.startswith(self._before):
            return False
        return first_ns <= by_ns if content.startswith(text) else text.startswith(content)

    def _is_here(self, chunk: MessageStream) -> bool:
        """Whether a chunk is of this stream's conversation."""
        return not self._conversation or chunk.conversation_id in ("", self._conversation)

    def _unchanged(self) -> Violation | None:
        """A chunk that adds nothing and does not complete."""
        return self._violated(Violation.REPEATED)

    def _breach(self, before: str, chunk: MessageStream, at_ns: int) -> Violation | None:
        """What it is that a chunk does not go on from the text before.

        A shorter text is `reordered` where it is longer than the one before the last: then it fills a step that the
        last one skipped. A server that takes back less than its last step is called so too: the texts are the same.
        """
        content = chunk.content
        if not self._is_here(chunk):
            return self._violated(Violation.FOREIGN)
        if _is_high(before[-1]) and content.startswith(before[:-1]):
            self.cut_pairs += 1  # the character is whole now
            return None
        if before.startswith(content):
            if chunk.is_complete:
                return self._violated(Violation.TRUNCATED)
            return self._violated(Violation.REORDERED if 0 < len(self._before) < len(content) else Violation.SHRUNK)
        return self._other_text(before, content, at_ns)

    def _other_text(self, before: str, content: str, at_ns: int) -> Violation | None:
        """A chunk that neither goes on from the text before nor is a part of it."""
        if self._earlier and content.startswith(self._earlier):
            self._earlier = ""
            return None
        if self._is_foreign(self, content, at_ns):
            return self._violated(Violation.FOREIGN)
        first_ns = self.first_content_ns
        if self.progress_chunks == 1 and first_ns is not None and self._is_foreign(self, before, first_ns):
            self.answer, self.progress_chunks, self.last_content_ns = "", 0, None
            return self._violated(Violation.FOREIGN)
        self._earlier = before
        return self._violated(Violation.REWRITTEN)

    def _violated(self, kind: Violation) -> Violation:
        self.violations += 1
        return kind


class DeltaStream(Stream):
    """An answer whose chunks hold what is new.

    Args:
        all_at_end: whether the completion holds all of it.
    """

    __slots__ = ("_all_at_end",)

    def __init__(
        self, stream_id: str, conversation: str, gaps: Gaps, is_foreign: IsForeign, *, all_at_end: bool
    ) -> None:
        super().__init__(stream_id, conversation, gaps, is_foreign)
        self._all_at_end = all_at_end

    def take(self, chunk: MessageStream, size: int, at_ns: int, bound_ns: int) -> Violation | None:
        if not self._is_here(chunk):
            self.chunks, self.bytes = self.chunks + 1, self.bytes + size
            return self._violated(Violation.FOREIGN)
        if not (chunk.is_complete and self._all_at_end):
            content = self._joined(self.answer, chunk.content)
            chunk = MessageStream(chunk.message_id, content, chunk.is_complete, chunk.conversation_id)
        return super().take(chunk, size, at_ns, bound_ns)

    def _unchanged(self) -> Violation | None:
        return None  # a delta of nothing repeats nothing

    def _joined(self, before: str, delta: str) -> str:
        """Both, with a character whole again that they hold a half each of."""
        if before and delta and _is_high(before[-1]):
            pair = (before[-1] + delta[0]).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
            return before[:-1] + pair + delta[1:]
        return before + delta


def new_stream(content: Content, stream_id: str, conversation: str, gaps: Gaps, is_foreign: IsForeign) -> Stream:
    """A stream whose chunks hold that. See `Stream` for the rest."""
    if content is Content.CUMULATIVE:
        return Stream(stream_id, conversation, gaps, is_foreign)
    return DeltaStream(stream_id, conversation, gaps, is_foreign, all_at_end=content is Content.DELTAS_THEN_ALL)


def _is_high(character: str) -> bool:
    """Whether it is the first half of a surrogate pair."""
    return "\ud800" <= character <= "\udbff"


NO_STREAM: Final = Stream("", "", NOWHERE, lambda *_: False)
"""What is known of the answer to a message that has none."""
