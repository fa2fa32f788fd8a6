"""What leaves for a message, going wrong on order: its acks, its broadcast, its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import Final
from uuid import uuid4

from msgspec.structs import replace
from websockets.protocol import State

from loadtest.protocol import MessageAck, MessageReceive, MessageSend

from ..answers import Answer, Chunk
from ..clock import now_iso
from ..counts import ServerCounts
from ..delivery import Delivery, Status
from ..participants import Participant
from ..post import Post
from ..rooms import Rooms
from ..truth import MessageTruth, TruthLog
from .answers import FAULTY
from .crosstalk import Crosstalk
from .endings import Endings
from .kinds import Fault
from .orders import Order
from .script import Script

_OF_ACKS: Final = (Fault.ACK_DROP, Fault.ACK_DOUBLE, Fault.ACK_LATE, Fault.ACK_REORDER, Fault.ACK_UNKNOWN)
_OF_BROADCASTS: Final = (
    Fault.BROADCAST_WITHHOLD,
    Fault.BROADCAST_LATE,
    Fault.BROADCAST_DOUBLE,
    Fault.BROADCAST_ALTER,
    Fault.BROADCAST_MISNAME,
)


class FaultyDelivery(Delivery):
    """A `Delivery` that follows a script.

    Args:
        post: how events are written.
        counts: where they are counted.
        rooms: who is in which conversation.
        script: what is to go wrong, and when.
        truth: where the moments of messages go: those of which a part is late are told once more.
        endings: closes connections.
    """

    def __init__(
        self,
        post: Post,
        counts: ServerCounts,
        rooms: Rooms[Participant],
        script: Script,
        truth: TruthLog,
        endings: Endings,
    ) -> None:
        super().__init__(post, counts, rooms)
        self._script = script
        self._truth = truth
        self._endings = endings
        self._crosstalk = Crosstalk(script)
        self._random = Random(1)  # of random CPU costs
        self._acks: dict[Fault, Order] = {}  # of the message under way: one is handled to its end before the next
        self._late: dict[asyncio.TimerHandle, MessageTruth] = {}

    # --- Acceptance ---------------------------------------------------------------------------------------------------
    def accept(self, sender: Participant, message: MessageSend, truth: MessageTruth) -> bool:
        """Burn what CPU is ordered; then whether nothing keeps the message from being delivered."""
        if order := self._script.due(Fault.CPU):
            self._burn(Fault.CPU, order.value, truth)
        if order := self._script.due(Fault.CPU_RANDOM):
            self._burn(Fault.CPU_RANDOM, self._random.expovariate(1 / order.value), truth)
        if order := self._script.due(Fault.CUT):
            self._script.did(Fault.CUT, truth)
            self._endings.end(sender.connection, int(order.value))
            return False
        if self._script.due(Fault.ACK_ERROR):
            self._script.did(Fault.ACK_ERROR, truth)
            super().ack(sender, message, "error", truth, "Message could not be processed")
            return False
        return True

    def _burn(self, fault: Fault, seconds: float, truth: MessageTruth) -> None:
        self._script.did(fault, truth)
        until = time.thread_time() + seconds  # CPU and not time: what is asked for, however busy the machine is
        while time.thread_time() < until:
            pass

    # --- Acks ---------------------------------------------------------------------------------------------------------
    def ack(
        self, sender: Participant, message: MessageSend, status: Status, truth: MessageTruth, error: str | None = None
    ) -> None:
        """Acknowledge a message; a rejection is none of the faults' business."""
        if status == "error":
            super().ack(sender, message, status, truth, error)
            return
        if status == "received":
            self._acks = {fault: order for fault in _OF_ACKS if (order := self._script.due(fault))}
            for fault in self._acks:
                self._script.did(fault, truth)
            if Fault.ACK_REORDER in self._acks:
                return
        self._acked(sender, message, status, truth)
        if status == "delivered":
            if Fault.ACK_REORDER in self._acks:
                self._acked(sender, message, "received", truth)
            if Fault.ACK_UNKNOWN in self._acks:
                self._post.send(
                    MessageAck(f"unknown-{uuid4()}", "delivered", timestamp=now_iso()), (sender.connection,)
                )

    def _acked(self, sender: Participant, message: MessageSend, status: Status, truth: MessageTruth) -> None:
        meant = {fault: order for fault, order in self._acks.items() if status in order.acks}
        write = partial(super().ack, sender, message, status, truth)
        for _ in range(0 if Fault.ACK_DROP in meant else 2 if Fault.ACK_DOUBLE in meant else 1):
            if Fault.ACK_LATE in meant:
                self._later(meant[Fault.ACK_LATE].value, write, truth)
            else:
                write()

    # --- Broadcasts ---------------------------------------------------------------------------------------------------
    def _spread(
        self, event: MessageReceive, sender: Participant, readers: Iterable[Participant], truth: MessageTruth
    ) -> None:
        """Victims are the last who joined of those who are there and are not the sender."""
        readers = tuple(readers)
        others = [reader for reader in readers if reader is not sender and reader.connection.state is State.OPEN]
        struck: dict[Fault, tuple[Order, list[Participant]]] = {}
        for fault in _OF_BROADCASTS:
            order = self._script.due(fault) if others else None
            if order is not None:
                count = 1 if fault is Fault.BROADCAST_LATE else int(order.value)
                struck[fault] = order, others[-count:]
                del others[-count:]
        victims = {victim for _, some in struck.values() for victim in some}
        super()._spread(event, sender, [reader for reader in readers if reader not in victims], truth)
        for fault, (order, some) in struck.items():
            self._script.did(fault, truth, len(some))
            self._strike(fault, order, partial(super()._spread, sender=sender, readers=some, truth=truth), event, truth)
        self._leak(event, sender, truth)

    def _strike(
        self, fault: Fault, order: Order, write: Callable[[MessageReceive], None], event: MessageReceive,
        truth: MessageTruth,
    ) -> None:  # fmt: skip
        match fault:
            case Fault.BROADCAST_LATE:
                self._later(order.value, partial(write, event), truth)
            case Fault.BROADCAST_DOUBLE:
                write(event)
                write(event)
            case Fault.BROADCAST_ALTER:
                write(replace(event, content=f"{event.content} (altered)"))
            case Fault.BROADCAST_MISNAME:
                write(replace(event, user_id=f"not-{event.user_id}"))
            case _:  # withheld
                pass

    def _leak(self, event: MessageReceive, sender: Participant, truth: MessageTruth) -> None:
        outsiders = [
            member
            for conversation in self._rooms
            if conversation != event.conversation_id
            for member in self._rooms.members(conversation)
            if member.connection.state is State.OPEN
        ]
        if outsiders and (order := self._script.due(Fault.BROADCAST_LEAK)):
            chosen = outsiders[: int(order.value)]
            super()._spread(event, sender, chosen, truth)
            self._script.did(Fault.BROADCAST_LEAK, truth, len(chosen))

    # --- Answers ------------------------------------------------------------------------------------------------------
    def frames(self, sender: Participant, message: MessageSend, answer: Answer, truth: MessageTruth) -> Iterator[Chunk]:
        """The frames of the answer to a message, and what is done to them."""
        frames = self._faulty(sender, message, answer, truth)
        return self._crosstalk.mixed(message, frames, truth) if self._script.has(Fault.STREAM_FOREIGN) else frames

    def _faulty(
        self, sender: Participant, message: MessageSend, answer: Answer, truth: MessageTruth
    ) -> Iterator[Chunk]:
        due = {
            fault: order
            for fault in (*FAULTY, Fault.STREAM_CUT)
            if len(answer.ends) >= fault.kind.least_chunks and (order := self._script.due(fault))
        }
        if not due:
            return super().frames(sender, message, answer, truth)
        frames = list(answer.frames())
        middle = len(answer.ends) // 2
        for fault, order in due.items():
            self._script.did(fault, truth)
            if fault in FAULTY:
                frames = FAULTY[fault](frames, order.value)
        if cut := due.get(Fault.STREAM_CUT):
            return self._cut(sender, frames, middle, int(cut.value))
        return iter(frames)

    def _cut(self, sender: Participant, frames: list[Chunk], middle: int, code: int) -> Iterator[Chunk]:
        """Its asker's connection ends when the first half is written; the others, if there are any, read on."""
        for number, frame in enumerate(frames):
            if number == middle:
                self._endings.end(sender.connection, code)
            yield frame

    # --- What is held back --------------------------------------------------------------------------------------------
    def _later(self, seconds: float, write: Callable[[], None], truth: MessageTruth) -> None:
        truth.owed += 1

        def write_now() -> None:
            del self._late[timer]
            write()
            self._truth.add(truth)

        timer = asyncio.get_running_loop().call_later(seconds, write_now)
        self._late[timer] = truth

    def close(self) -> None:
        """What is still held back is not written any more."""
        for timer, truth in self._late.items():
            timer.cancel()
            self._truth.add(truth)
        self._late.clear()
