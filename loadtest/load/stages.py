"""Stages of a load shape, one after the other, each held from the end of its spawning on: without Locust."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from loadtest.errors import UsageError
from loadtest.model import Step


class Stage(Struct, frozen=True):
    """So many users, held for a time from the end of their spawning on.

    Attributes:
        users: 0 or more.
        spawn_rate: users started or stopped a second.
        hold_s: seconds.
    """

    users: int
    spawn_rate: float
    hold_s: float


def check(shape: str, stages: Sequence[Stage]) -> None:
    """Refuse stages that make no load.

    Args:
        shape: names it in the complaint.

    Raises:
        UsageError: with what was wrong and what to do.
    """
    if not stages:
        raise UsageError(f"{shape}: has no stage to hold; set its class attributes")
    for stage in stages:
        if stage.users < 0 or not 0 < stage.spawn_rate < float("inf") or not 0 < stage.hold_s < float("inf"):
            raise UsageError(
                f"{shape}: cannot hold {stage.users} users for {stage.hold_s:g} s at {stage.spawn_rate:g} users/s; "
                "give numbers above 0"
            )


class Progress:
    """Where a run is among its stages.

    Args:
        stages: in order.
        tell: told each stage that was held, once it is over.
    """

    def __init__(self, stages: Sequence[Stage], tell: Callable[[Step], None]) -> None:
        self._stages = stages
        self._tell = tell
        self._place = 0
        self._held_from: int | None = None

    def at(self, now_ns: int, running: int | None) -> Stage | None:
        """The stage of now; None once all were held.

        Args:
            now_ns: monotonic.
            running: users that are there, once spawning has ended; None while it goes on.
        """
        if self._place < len(self._stages):
            stage = self._stages[self._place]
            if self._held_from is None:
                self._held_from = now_ns if running == stage.users else None
            elif now_ns - self._held_from >= stage.hold_s * 1e9:
                self.end(now_ns)
                self._place += 1
        return self._stages[self._place] if self._place < len(self._stages) else None

    def end(self, now_ns: int) -> None:
        """The stage ends, by its time or with the run; one that was still spawning is no step."""
        if self._held_from is not None:
            self._tell(Step(self._place + 1, self._stages[self._place].users, self._held_from, now_ns))
        self._held_from = None
