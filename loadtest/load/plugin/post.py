"""What a worker is told before its part of a run begins."""

from __future__ import annotations

from msgspec import Struct


class Post(Struct, frozen=True):
    """What the master has told this worker before a run (`foreman.BEGIN`).

    Attributes:
        name: in the records.
        share: fields of its `Share` of the users.
        of: processes that there are.
        users: of all of them, at most; None where nobody knows.
    """

    name: str = "worker"
    share: tuple[int, int, int | None] = (0, 1, 0)
    of: int = 1
    users: int | None = None

    def users_of(self, processes: int) -> int | None:
        """Users of so many of the processes, at most; None where nobody knows."""
        return None if self.users is None else min(processes * -(-self.users // self.of), self.users)
