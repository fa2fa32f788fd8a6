"""One message among two participants, with its acks, its broadcast and its answer; and a third who is elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Final

import gevent

from loadtest.conformance.bench import Bench, NotDelivered, Probe, at_once
from loadtest.conformance.checklist import Findings
from loadtest.conformance.heard import Heard
from loadtest.conformance.meanings import interval, quoted
from loadtest.model import Message, StreamState
from loadtest.protocol import MessageAck, MessageReceive, MessageStream

SENDER, READER, OUTSIDER = 3, 4, 5
TEXT: Final = "What is the answer? \N{GRINNING FACE}"
LONGEST_ANSWER_S: Final = 60.0
LONGEST_BEGINNING_S: Final = 3.0
OF_STREAMS: Final = ("stream", "cumulative", "stream-to-others", "stream-ids")


def check(bench: Bench, findings: Findings) -> None:
    """Send one message, and look at it from three sides."""
    try:
        sender, reader, outsider = at_once(
            partial(bench.probe, SENDER, joined=False),
            partial(bench.probe, READER),
            partial(bench.probe, OUTSIDER, f"{bench.conversation}-elsewhere"),
        )
    except NotDelivered as reason:
        findings.fails("acks", str(reason))
        raise
    quiet = _quiet(reader)
    marks = sender.hearing.mark(), reader.hearing.mark(), outsider.hearing.mark()
    id_ = sender.send(bench.conversation, TEXT)
    _acks(bench, findings, sender, marks[0], id_)
    _broadcast(bench, findings, reader, marks[1], sender, id_)
    own = sender.hearing.until(lambda each: _carries(each, id_), marks[0], bench.hush_s)
    if own is not None:
        findings.conforms("own-broadcast", "it does")
    else:
        findings.differs("own-broadcast", "it does not")
    _answer(bench, findings, sender, marks[0], reader, marks[1], id_, quiet)
    _leak(bench, findings, outsider, marks[2], id_)


def _quiet(reader: Probe) -> bool:
    """Wait for the answer to the message that the reader joined with; whether nothing more is to come of it."""
    waited = 0.0
    while not reader.observer.messages and waited < (LONGEST_ANSWER_S if _streams(reader, 0) else LONGEST_BEGINNING_S):
        gevent.sleep(0.05)
        waited += 0.05
    return bool(reader.observer.messages)


def _acks(bench: Bench, findings: Findings, sender: Probe, since: int, id_: str) -> None:
    def is_ack(each: Heard) -> bool:
        return isinstance(each.event, MessageAck) and each.event.message_id == id_

    def is_delivered(each: Heard) -> bool:
        return is_ack(each) and isinstance(each.event, MessageAck) and each.event.status != "received"

    final = sender.hearing.until(is_delivered, since, bench.patience_s)
    gevent.sleep(min(bench.hush_s, 0.2))  # one too many would come now
    acks = sender.hearing.all(is_ack, since)
    words = [each.event.status for each in acks if isinstance(each.event, MessageAck)]
    if words == ["received", "delivered"]:
        findings.conforms("acks", "received, delivered")
    elif final is None:
        seen = f"{', '.join(words)}, and no more" if words else "no ack"
        findings.fails("acks", f"{seen} within {bench.patience_s:g} s")
    elif words == ["delivered"]:
        findings.differs("acks", "delivered alone")
    else:
        findings.fails("acks", ", ".join(words))


def _carries(each: Heard, id_: str) -> bool:
    return isinstance(each.event, MessageReceive) and each.event.message_id == id_


def _broadcast(bench: Bench, findings: Findings, reader: Probe, since: int, sender: Probe, id_: str) -> None:
    first = reader.hearing.until(lambda each: _carries(each, id_), since, bench.patience_s)
    gevent.sleep(min(bench.hush_s, 0.2))
    copies = reader.hearing.all(lambda each: _carries(each, id_), since)
    if first is None or not isinstance(first.event, MessageReceive):
        findings.fails("broadcast", f"no message:receive within {bench.patience_s:g} s")
    elif len(copies) > 1:
        findings.fails("broadcast", f"{len(copies)} times")
    elif first.event.content != TEXT:
        findings.fails("broadcast", f"with other content: {quoted(first.event.content)}")
    elif first.event.user_id is None:
        field = "senderId instead" if first.event.sender_id else "and no senderId"
        findings.differs("broadcast", f"without userId, {field}")
    elif first.event.user_id != sender.identity.user:
        findings.fails("broadcast", f"of {quoted(first.event.user_id)}, and not of {quoted(sender.identity.user)}")
    else:
        findings.conforms("broadcast", "once, with its content and its sender's userId")


def _answer(
    bench: Bench, findings: Findings, sender: Probe, since: int, reader: Probe, reader_since: int, id_: str, quiet: bool
) -> None:
    if bench.chosen.expect_stream == "no":
        findings.untested(OF_STREAMS, "--expect-stream no: none is to come")
        return
    message = sender.ended(id_, LONGEST_ANSWER_S)
    gevent.sleep(min(bench.hush_s, 0.2))  # what comes after the completion
    if message is None or message.stream_state is not StreamState.COMPLETED:
        _no_answer(bench, findings, message)
        if message is None or not message.chunks:
            return
    else:
        _completed(findings, message)
    broken = sender.observer.tally.keys("stream_violation")
    if quiet and sender.observer.tally.keys("unmatched_stream"):
        broken.append("a chunk of a stream that answers nothing")
    if broken:
        findings.fails("cumulative", f"violations: {', '.join(broken)}")
    else:
        findings.conforms("cumulative", "each chunk begins with the one before")
    _stream_id(bench, findings, sender, since, id_)
    _to_others(bench, findings, reader, reader_since, sender, since)


def _completed(findings: Findings, message: Message) -> None:
    first, sent, done = message.first_content_ns, message.sent_ns, message.completed_ns
    assert sent is not None
    assert done is not None
    begun = f"first token after {interval(first - sent)}, " if first is not None else "no content, "
    findings.conforms("stream", f"{begun}complete after {interval(done - sent)}, {message.chunks} chunks")


def _no_answer(bench: Bench, findings: Findings, message: Message | None) -> None:
    if message is not None and message.chunks:
        reason = f": {message.reason}" if message.reason else ""
        findings.fails("stream", f"{message.stream_state} after {message.chunks} chunks{reason}")
    elif bench.expectation.stream:
        findings.fails("stream", f"no stream within {bench.patience_s:g} s")
        findings.untested(OF_STREAMS, "there was no stream")
    else:
        why = f"no stream within {bench.patience_s:g} s: is the AI switched off? --expect-stream yes makes it a failure"
        findings.untested(OF_STREAMS, why)


def _streams(probe: Probe, since: int) -> list[MessageStream]:
    return [each.event for each in probe.hearing.heard[since:] if isinstance(each.event, MessageStream)]


def _stream_id(bench: Bench, findings: Findings, sender: Probe, since: int, id_: str) -> None:
    ids = {event.message_id for event in _streams(sender, since)}
    if any(bench.dialect.message_of(each) == id_ for each in ids):
        findings.conforms("stream-ids", f"{bench.dialect.stream_prefix}<messageId>")
    elif id_ in ids:
        findings.differs("stream-ids", "the messageId itself")
    else:
        findings.differs("stream-ids", "a new id that names no message: streams can only be told apart by order")


def _to_others(bench: Bench, findings: Findings, reader: Probe, since: int, sender: Probe, sender_since: int) -> None:
    """Whether the reader saw what the sender did of the streams that completed there."""
    asked = {event.message_id: event.content for event in _streams(sender, sender_since) if event.is_complete}
    if not asked:
        findings.untested(("stream-to-others",), "there was no whole stream")
        return

    def all_there() -> bool:
        got = {event.message_id: event.content for event in _streams(reader, since) if event.is_complete}
        return all(got.get(id_) == content for id_, content in asked.items())

    reader.hearing.until(lambda _: all_there(), since, bench.hush_s)
    if all_there():
        findings.conforms("stream-to-others", "every frame up to isComplete")
    elif any(event.message_id in asked for event in _streams(reader, since)):
        findings.fails("stream-to-others", "another participant got it in part, or otherwise")
    else:
        findings.fails("stream-to-others", "another participant got none of it")


def _leak(bench: Bench, findings: Findings, outsider: Probe, since: int, id_: str) -> None:
    def is_leak(each: Heard) -> bool:
        event = each.event
        if isinstance(event, (MessageReceive, MessageStream)):
            named = {event.message_id, bench.dialect.message_of(event.message_id)}
            return id_ in named or event.conversation_id == bench.conversation
        return False

    leaked = outsider.hearing.until(is_leak, since, min(bench.hush_s, 0.2))
    if leaked is not None:
        findings.fails("no-leak", f"a frame of conversation {quoted(bench.conversation)} reached it")
    else:
        findings.conforms("no-leak", "nothing did")
