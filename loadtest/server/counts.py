"""What the reference server itself counted: the truth that a client's numbers are held against."""

from __future__ import annotations

from msgspec import Struct, field


class ServerCounts(Struct):
    """Counts since the server started.

    The ledger closes at any moment: messages = broadcasts + rejected + invalid + failed. Once all is closed:
    streams_started = streams_completed + streams_cancelled, and the sum of `disconnects` is connects + auth_required +
    auth_failed - upgrades_refused.

    Attributes:
        connects: connections authenticated.
        auth_required: connections refused for want of a token.
        auth_failed: connections refused for a bad token.
        upgrades_refused: of these two, those refused by HTTP at the upgrade.
        messages: `message:send` frames read, refused ones included.
        received_acks: acks `received` written: those of all `broadcasts`, unless the sender was gone by then or a fault
            had its way.
        delivered_acks: acks `delivered` written, likewise.
        rejected: messages beyond the rate limit.
        invalid: messages answered by `message:error`.
        failed: messages that a fault kept from being delivered, by an ack `error` or a cut connection.
        invalid_typing: typing events with wrong fields.
        malformed: frames that are no JSON object with a type.
        unknown_types: frames of a type that no client may send.
        broadcasts: messages accepted, and broadcast to their conversation.
        receive_frames: `message:receive` frames written, one for each participant.
        streams_started: answers whose time to first token began.
        streams_completed: answers whose completion frame was written.
        streams_cancelled: answers broken off, since nobody was left to read them, the server stopped or a fault
            left their completion out.
        stream_frames: `message:stream` frames written, one for each participant, completion frames included; and the
            `message:error` of a fault.
        frames_written: events written to connections, whatever their type.
        bytes_written: bytes of these events, without framing.
        frames_read: data frames read.
        bytes_read: bytes of these frames, without framing.
        typing_starts: starts passed on to a conversation, even if nobody else was there.
        typing_stops: stops passed on, those by timeout and disconnect included.
        typing_ignored: starts within a second of another, and stops of who was not typing.
        pings: pings sent.
        pings_unanswered: connections terminated since a ping was not answered by the time of the next.
        slow_readers: connections terminated since too much was waiting for them.
        disconnects: WebSocket close code as the server saw it (1006: none received) to connections.
        faults: name of a fault (`faults.kinds`) to how often it was done.
    """

    connects: int = 0
    auth_required: int = 0
    auth_failed: int = 0
    upgrades_refused: int = 0
    messages: int = 0
    received_acks: int = 0
    delivered_acks: int = 0
    rejected: int = 0
    invalid: int = 0
    failed: int = 0
    invalid_typing: int = 0
    malformed: int = 0
    unknown_types: int = 0
    broadcasts: int = 0
    receive_frames: int = 0
    streams_started: int = 0
    streams_completed: int = 0
    streams_cancelled: int = 0
    stream_frames: int = 0
    frames_written: int = 0
    bytes_written: int = 0
    frames_read: int = 0
    bytes_read: int = 0
    typing_starts: int = 0
    typing_stops: int = 0
    typing_ignored: int = 0
    pings: int = 0
    pings_unanswered: int = 0
    slow_readers: int = 0
    disconnects: dict[int, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)

    def disconnected(self, code: int) -> None:
        """Count a connection that closed with this code."""
        self.disconnects[code] = self.disconnects.get(code, 0) + 1

    def fault(self, name: str, times: int = 1) -> None:
        """Count a fault that was done."""
        self.faults[name] = self.faults.get(name, 0) + times

    def __str__(self) -> str:
        """One line for a person."""
        failed = f" + {self.failed:,} failed" if self.failed else ""
        faults = "; faults: " + ", ".join(f"{name} {n:,}" for name, n in sorted(self.faults.items()))
        return (
            f"{self.connects:,} connects, {self.messages:,} messages = {self.broadcasts:,} delivered + "
            f"{self.rejected:,} rejected + {self.invalid:,} invalid{failed}; {self.streams_completed:,} of "
            f"{self.streams_started:,} streams completed; {self.frames_written:,} frames written"
            f"{faults if self.faults else ''}"
        )
