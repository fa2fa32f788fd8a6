"""Crosstalk: what one answer shows, once more under the id of another that is streamed beside it."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.protocol import MessageSend

from ..answers import Chunk
from ..streams import StreamIds
from ..truth import MessageTruth
from .kinds import Fault
from .script import Script


class Crosstalk:
    """The answers under way of a server that mixes them up.

    Args:
        script: when to mix, and where what was done is counted.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._shown: dict[str, dict[str, str]] = {}  # conversation and message to the text of its answer so far

    def mixed(self, message: MessageSend, frames: Iterator[Chunk], truth: MessageTruth) -> Iterator[Chunk]:
        """The frames of an answer, and among them, if that is due, one with the text of another.

        A frame is taken once the one before it was written, so what another answer shows here its readers have seen.
        """
        answers = self._shown.setdefault(message.conversation_id, {})
        own, asked = message.message_id, False
        answers[own] = ""
        try:
            for frame in frames:
                yield frame
                if frame.is_complete:
                    break
                if frame.stream_id is None and frame.error is None:
                    answers[own] = frame.content
                text = None if asked else _foreign(answers[own], answers)
                if text is None:
                    continue
                asked = True
                if self._script.due(Fault.STREAM_FOREIGN):
                    self._script.did(Fault.STREAM_FOREIGN, truth)
                    yield Chunk(text, stream_id=truth.stream_id or StreamIds.PREFIXED.of(own))
        finally:
            answers.pop(own, None)
            if not answers:
                self._shown.pop(message.conversation_id, None)
        yield from frames


def _foreign(own: str, answers: dict[str, str]) -> str | None:
    """The text of an answer that nobody could take for a part of this one, or for what it goes on with."""
    others = (text for text in answers.values() if text)
    return next((text for text in others if not (text.startswith(own) or own.startswith(text))), None)
