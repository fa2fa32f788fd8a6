"""Tells what happens on one connection, a line for each frame.

A line begins with the time since the message was sent that the frame belongs to, as a run measures it: from handing it
to the socket to the kernel's receipt. Frames that belong to no message have the time since the start behind an `@`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from loadtest.conformance.meanings import COUNTED, SHOWN, interval, of_event, of_message, quoted
from loadtest.errors import FrameError, InvalidEvent, UnknownEvent
from loadtest.model import Connect, Disconnect, Login, Message, Outage
from loadtest.protocol import (
    AUTH_FAILED,
    AUTH_REQUIRED,
    STREAM_ID_PREFIX,
    MessageAck,
    MessageError,
    MessageReceive,
    MessageStream,
    Payload,
    ServerEvent,
    decode_server_event,
    excerpt,
)

_TIME_WIDTH: Final = 10
_TRACED: Final = 2_000
"""Characters of a frame that `--trace` shows."""
_SPEAKING: Final = frozenset({AUTH_FAILED, AUTH_REQUIRED})
"""Codes that the end of the chat explains."""
IDLE_CUT_S: Final = (10.0, 3600.0)
"""A connection that lived for so long and was cut off may have been idle for too long for somebody."""


class Narrator:
    """The lines of one chat.

    Args:
        write: takes a line.
        trace: whether to show frames as they are on the wire, without tokens.
    """

    def __init__(self, write: Callable[[str], None], trace: bool) -> None:
        self._write = write
        self._trace = trace
        self._began_ns = time.monotonic_ns()
        self._sent: dict[str, int] = {}
        self._streams: dict[str, str] = {}
        self._answers: dict[str, str] = {}
        self._explained: set[tuple[str, str]] = set()
        self._connected_ns: int | None = None
        self.strange: list[str] = []
        """Types of events that were not understood, in the order of their first coming."""

    # --- frames -------------------------------------------------------------------------------------------------------
    def sent(self, event: str, frame: bytes, message_id: str | None, at_ns: int) -> None:
        """A frame leaves; see `ChatClient.on_leaving`."""
        if message_id is not None:
            self._sent[message_id] = at_ns
            self._line("0 ms", "→", f"{event} {message_id}")
        else:
            self._line(self._since_start(at_ns), "→", event)
        self._traced(frame)

    def received(
        self, data: Payload, text: bool, event: ServerEvent | None, counted: list[tuple[str, str]], at_ns: int
    ) -> None:
        """A frame has come.

        Args:
            counted: names and keys that the session counted for it.
        """
        if event is None:
            self._line(self._since_start(at_ns), "←", self._undecoded(data, text))
        else:
            named = {name for name, _ in counted}
            message_id = None if named & {"unmatched_stream", "foreign_stream_frame"} else self._message_of(event)
            sent = self._sent.get(message_id or "")
            when = self._since_start(at_ns) if sent is None else f"+{interval(at_ns - sent)}"
            self._line(when, "←", f"{_type(event)} {self._meaning(event)}{self._by_order(event, message_id)}")
        self._traced(bytes(data) if text else b"")
        for name, key in counted:
            self._explain(name, key)

    def _meaning(self, event: ServerEvent) -> str:
        if isinstance(event, MessageReceive) and event.message_id in self._sent:
            return "your own message, broadcast"
        if not isinstance(event, MessageStream):
            return of_event(event)
        before, content = self._answers.get(event.message_id, ""), event.content
        self._answers[event.message_id] = content
        if event.is_complete:
            return f"complete: {quoted(content)}, {len(content):,} characters"
        new = content[len(before) :] if content.startswith(before) else content
        first = ", first content" if content and not before else ""
        return f"+{quoted(new)}{first}"

    def _message_of(self, event: ServerEvent) -> str | None:
        """The message of ours that an event belongs to, by the rules of a session."""
        if isinstance(event, MessageStream):
            return self._streamed(event.message_id)
        if isinstance(event, (MessageAck, MessageReceive)):
            return event.message_id
        if isinstance(event, MessageError) and event.message_id:
            return event.message_id.removeprefix(STREAM_ID_PREFIX)
        return None

    def _streamed(self, stream_id: str) -> str | None:
        plain = stream_id.removeprefix(STREAM_ID_PREFIX)
        if stream_id not in self._streams:
            taken = set(self._streams.values())
            by_order = next((message_id for message_id in self._sent if message_id not in taken), None)
            found = next((i for i in (stream_id, plain) if i in self._sent), by_order)
            if found is None:
                return None
            self._streams[stream_id] = found
        return self._streams[stream_id]

    def _by_order(self, event: ServerEvent, message_id: str | None) -> str:
        if not isinstance(event, MessageStream) or message_id is None or not event.message_id:
            return ""
        named = event.message_id.removeprefix(STREAM_ID_PREFIX) == message_id
        return "" if named else f" (id {quoted(event.message_id)}: yours by order)"

    def _undecoded(self, data: Payload, text: bool) -> str:
        if not text:
            return f"binary, {len(data):,} bytes"
        try:
            decode_server_event(data)
        except UnknownEvent as error:
            self._note_strange(error.type)
            return f"unknown event {quoted(error.type)}"
        except InvalidEvent as error:
            self._note_strange(error.type)
            return f"invalid {excerpt(str(error))}"
        except FrameError as error:
            return f"malformed: {error}: {quoted(_as_text(data))}"
        return _as_text(data)[:SHOWN]

    def _note_strange(self, type_: str) -> None:
        if (shown := excerpt(type_, 64)) not in self.strange:
            self.strange.append(shown)

    # --- records ------------------------------------------------------------------------------------------------------
    def ended(self, message: Message, hint: str | None) -> None:
        """A message and its answer have come to an end, good or bad."""
        self._line("", "=", f"{message.message_id} {of_message(message)}")
        if hint and ("", hint) not in self._explained:
            self._explained.add(("", hint))
            self._hint(hint)

    def connected(self, connect: Connect, user: str) -> None:
        """An attempt to connect has ended."""
        if connect.authenticated_ns is None:
            self._line(
                self._since_start(time.monotonic_ns()), "×", f"not connected: {connect.outcome} {connect.detail}"
            )
            return
        self._connected_ns = connect.authenticated_ns
        parts = (
            ("tcp", connect.tcp_ns),
            ("tls", connect.tls_ns),
            ("upgrade", connect.upgrade_ns),
            ("auth", connect.auth_ns),
        )
        told = ", ".join(f"{name} {interval(ns)}" for name, ns in parts if ns is not None)
        whole = interval(connect.authenticated_ns - connect.began_ns)
        self._line(self._since_start(connect.authenticated_ns), "=", f"connected as {quoted(user)} in {whole}: {told}")

    def not_logged_in(self, login: Login) -> None:
        """A login or a renewal has failed."""
        self._line(self._since_start(login.ended_ns), "×", f"not logged in: {login.outcome}")

    def closed(self, end: Disconnect) -> None:
        """An authenticated connection has ended."""
        lived = end.at_ns - (self._connected_ns or end.at_ns)
        by = "you" if end.by == "client" else "the backend"
        reason = f" {quoted(end.reason)}" if end.reason else ""
        self._line(self._since_start(end.at_ns), "×", f"closed {end.code}{reason} by {by} after {interval(lived)}")
        low, high = IDLE_CUT_S
        if end.by == "server" and low <= lived / 1e9 <= high:
            self._hint("a round time may be a proxy's idle timeout: does it happen again after as long?")

    def outage(self, outage: Outage) -> None:
        """A time without a connection is over."""
        self._line("", "=", f"outage {outage.ended} after {outage.attempts} attempts")

    def queued(self, message_id: str) -> None:
        """A message waits for a connection."""
        self._line("", "=", f"{message_id} waits in the offline queue")

    # --- lines --------------------------------------------------------------------------------------------------------
    def _explain(self, name: str, key: str) -> None:
        if name not in COUNTED or key in _SPEAKING:
            return
        about = f"{name.replace('_', ' ')}{f' ({key})' if key else ''}"
        if (name, key) in self._explained:
            if name != "unknown_field":
                self._hint(about)
            return
        self._explained.add((name, key))
        self._hint(f"{about}: {COUNTED[name]}")

    def _hint(self, text: str) -> None:
        self._write(f"{'':{_TIME_WIDTH}} ! {text}")

    def _line(self, when: str, sign: str, text: str) -> None:
        self._write(f"{when:>{_TIME_WIDTH}} {sign} {text.rstrip()}")

    def _traced(self, frame: bytes) -> None:
        if self._trace and frame:
            text = _as_text(frame)
            cut = f" … {len(text):,} characters" if len(text) > _TRACED else ""
            self._write(f"{'':{_TIME_WIDTH}}   {excerpt(text, _TRACED)}{cut}")

    def _since_start(self, at_ns: int) -> str:
        return f"@{max(at_ns - self._began_ns, 0) / 1e9:.3f} s"


def _type(event: ServerEvent) -> str:
    return str(type(event).__struct_config__.tag)


def _as_text(data: Payload) -> str:
    return bytes(data).decode("utf-8", "replace")
