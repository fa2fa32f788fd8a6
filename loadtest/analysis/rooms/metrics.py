"""The samples of the metrics of rooms, and their counts."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import msgspec
import numpy as np

from loadtest.analysis.records import Records
from loadtest.analysis.rooms.expected import among, ascending
from loadtest.analysis.rooms.judge import CLOCKS, Judged, withheld
from loadtest.analysis.rooms.typing import TypingJudged, judge_typing
from loadtest.analysis.rooms.values import Rooms
from loadtest.analysis.samples import Samples
from loadtest.analysis.window import Window
from loadtest.runs.columns import MISSING, Ints

METRICS: Final = ("fanout", "fanout_last", "typing_fanout")
"""Those of rooms."""


class RoomMetrics:
    """Of one run; nothing is worked out before it is asked for.

    Args:
        window: its steady window.
    """

    def __init__(self, records: Records, window: Window) -> None:
        self._records = records
        self._window = window

    @cached_property
    def _judged(self) -> Judged | None:
        rooms = self._records.rooms
        if rooms is None:
            return None
        return Judged(rooms, withheld(self._records.by_key(CLOCKS), self._records.complete))

    @cached_property
    def _typing(self) -> TypingJudged | None:
        judged = self._judged
        return None if judged is None or judged.withheld else judge_typing(judged.records)

    def samples(self, key: str, rows: Ints) -> Samples:
        """The samples of a metric, of some messages.

        The receivers of one message are not independent: they are a cluster, and count as one user, by which the
        intervals go.

        Args:
            key: one of `METRICS`.
            rows: places of the messages, ascending; typing belongs to none, and is over the steady window.
        """
        if key == "typing_fanout":
            return self._typing_samples()
        judged, messages = self._judged, self._records.messages
        if judged is None:
            return _NONE
        if key == "fanout":
            places, times = judged.expected.message, judged.fanout_ns
        else:
            places, times = judged.slowest_ns()
        of = judged.records.sent.row[places]
        chosen = among(of, rows)
        of, times = of[chosen], times[chosen]
        if key == "fanout_last":
            return Samples(times, messages.intended_ns[of], messages.user.codes[of])
        each = ascending(of)
        return Samples(times, messages.intended_ns[of], np.searchsorted(each, of), len(each))

    def _typing_samples(self) -> Samples:
        if self._typing is None:
            return _NONE
        starts = self._typing.starts
        inside = (starts.sent_ns >= self._window.start_ns) & (starts.sent_ns < self._window.stop_ns)
        took = starts.took_ns[inside]
        event = starts.event[inside]
        return Samples(np.where(took == MISSING, np.inf, took), starts.sent_ns[inside], event, len(np.unique(event)))

    @cached_property
    def summary(self) -> Rooms | None:
        """Over the whole run; None of one without rooms."""
        judged = self._judged
        if judged is None:
            return None
        one_each = self._records.info.options.get("connections_per_user", 1) == 1
        echoes = self._records.count("typing_echo") if one_each else 0
        typing = None if self._typing is None else self._typing.summary(echoes)
        return msgspec.structs.replace(judged.summary(), typing=typing)


_NONE: Final = Samples(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


def counts(records: Records, rooms: Rooms | None) -> dict[str, int | None]:
    """The counts of rooms: receipts, of which one is a message at a member, but of `reordered` the messages.

    Of a run without rooms they are None, and so are the leaks of one that was recorded before they were looked for.
    """
    looked = bool(records.by_key(CLOCKS))  # what looks for leaks names its clock
    found: dict[str, int | None] = {"leaks": records.count("leak") if looked else None}
    if rooms is None:
        return found | dict.fromkeys(BROADCASTS)
    return found | {
        "broadcasts_expected": rooms.expected,
        "broadcasts_seen": rooms.seen,
        "broadcasts_ambiguous": rooms.ambiguous,
        "broadcasts_missing": None if rooms.missing is None else rooms.missing.receipts,
        "broadcasts_doubled": rooms.doubled.receipts,
        "broadcasts_altered": rooms.altered.receipts,
        "broadcasts_misnamed": rooms.misnamed.receipts,
        "broadcasts_reordered": rooms.reordered,
    }


BROADCASTS: Final = (
    "broadcasts_expected", "broadcasts_seen", "broadcasts_ambiguous", "broadcasts_missing", "broadcasts_doubled",
    "broadcasts_altered", "broadcasts_misnamed", "broadcasts_reordered",
)  # fmt: skip
"""Names among `counts`."""
