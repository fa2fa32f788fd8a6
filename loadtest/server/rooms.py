"""Who takes part in which conversation. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Member = TypeVar("Member", bound=Hashable)


class Rooms(Generic[Member]):
    """Conversations and their members; a member is in one conversation at a time (backend.md, Messages)."""

    def __init__(self) -> None:
        # A dict and not a set: members are served in the order in which they joined.
        self._members: dict[str, dict[Member, None]] = {}
        self._conversation: dict[Member, str] = {}

    def __len__(self) -> int:
        """Number of conversations with at least one member."""
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def join(self, member: Member, conversation: str) -> None:
        """Put a member into a conversation, and take it out of its former one."""
        if self._conversation.get(member) == conversation:
            return
        self.leave(member)
        self._conversation[member] = conversation
        self._members.setdefault(conversation, {})[member] = None

    def leave(self, member: Member) -> None:
        """Take a member out of its conversation, if it is in one."""
        conversation = self._conversation.pop(member, None)
        if conversation is None:
            return
        members = self._members[conversation]
        del members[member]
        if not members:
            del self._members[conversation]

    def members(self, conversation: str) -> tuple[Member, ...]:
        """The members of a conversation in the order of joining; empty when there are none."""
        return tuple(self._members.get(conversation, ()))
