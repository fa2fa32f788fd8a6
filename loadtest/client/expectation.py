"""Whether answers are to be expected. Pure."""

from __future__ import annotations


class Expectation:
    """Whether answers are to be expected; shared by all sessions of a process, since one stream teaches all.

    Args:
        certain: True or False where the person said so; None to learn from the first stream seen.
    """

    __slots__ = ("_certain", "_seen")

    def __init__(self, certain: bool | None) -> None:
        self._certain = certain
        self._seen = False

    @property
    def stream(self) -> bool:
        """Whether a delivered message without an answer is missing one."""
        return self._seen if self._certain is None else self._certain

    @property
    def worth_waiting(self) -> bool:
        """Whether an answer may still come to a delivered message."""
        return self._certain is not False

    def saw_stream(self) -> None:
        self._seen = True
