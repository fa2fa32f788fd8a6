"""Which conversation a user writes to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadtest.errors import UsageError
from loadtest.settings import Settings, Template

DEFAULT: Final = Template("conv-{n}")


class Conversations:
    """Numbered conversations (from 0).

    Args:
        template: of an id.
        ids: conversations that exist; then the template is of no account.
    """

    def __init__(self, template: Template, ids: tuple[str, ...] = ()) -> None:
        self._template = template
        self._ids = ids

    def id(self, number: int, fields: Mapping[str, str]) -> str:
        """The id of conversation `number`; where there are too few, they are used once more.

        Args:
            fields: what the template may say of the user.
        """
        if self._ids:
            return self._ids[number % len(self._ids)]
        return str(self._template.fill({**fields, "n": str(number)}))

    def check(self, fields: Mapping[str, str]) -> None:
        """Refuse a template that takes what the users do not have.

        Raises:
            UsageError: names the field.
        """
        unknown = self._template.names - {"n", *fields}
        if unknown:
            raise UsageError(
                f"--conversation: {{{min(unknown)}}} stands for nothing there; there are "
                f"{', '.join(f'{{{name}}}' for name in ('n', *sorted(fields)))}"
            )

    def note(self, users: int | None, participants: int) -> str | None:
        """Says so where more users than meant share a conversation; None where they do not.

        Args:
            participants: users that are meant to share one.
        """
        if not users:
            return None
        if users < participants:
            return f"{users:,} connections do not fill a conversation of {participants:,}: it is smaller"
        if not self._ids:
            shared = not self._template.names and users > participants
            return f"all {users:,} users share the conversation {self._template}" if shared else None
        wanted = math.ceil(users / participants)
        if wanted <= len(self._ids):
            return None
        share = math.ceil(wanted / len(self._ids)) * participants
        return (
            f"--conversations-file: {len(self._ids):,} conversations for {users:,} users, who would take {wanted:,}: "
            f"up to {share:,} users share one"
        )


def read_conversations(chosen: Settings) -> Conversations:
    """The conversations that the options name.

    Raises:
        UsageError: the file is no good.
    """
    if chosen.conversations_file is None:
        return Conversations(chosen.conversation or DEFAULT)
    path = Path(chosen.conversations_file)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UsageError(
            f"--conversations-file: {str(path)!r} cannot be read ({reason}); give a file with one id a line"
        ) from None
    ids = tuple(dict.fromkeys(filter(None, lines)))
    if not ids:
        raise UsageError(f"--conversations-file: {str(path)!r} holds no conversation; give a file with one id a line")
    return Conversations(DEFAULT, ids)
