"""A bounded memory: what is closed is remembered for a while, to give what arrives late its right name. Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

RECENT: Final = 64
"""Things of one kind that a session remembers, where nothing asks for more."""

What = TypeVar("What")


class Recent(Generic[What]):
    """The last so many ids, each with what is known of it."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = RECENT) -> None:
        self._known: dict[str, What] = {}
        self._most = most

    def __contains__(self, id_: str) -> bool:
        return id_ in self._known

    def __bool__(self) -> bool:
        return bool(self._known)

    def get(self, id_: str) -> What | None:
        return self._known.get(id_)

    def remember(self, id_: str, what: What) -> None:
        """The oldest goes where there are too many."""
        self._known[id_] = what
        if len(self._known) > self._most:
            self._known.pop(next(iter(self._known)))
