"""The users of one process as the backend knows them: their tokens and their conversations."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.client.tokens import BadTokens, MintedTokens, OnLogin, Tokens
from loadtest.errors import UsageError
from loadtest.load.conversations import read_conversations
from loadtest.load.identity import check_users, login_tokens, notes, read_tokens
from loadtest.load.own_conversations import OwnConversations
from loadtest.load.own_login import OPTION, LogIn, OwnLogins
from loadtest.settings import Settings


class People:
    """Sources of tokens and conversations.

    Args:
        processes: how many share the rate of logins.
        all_log_in: whether every user class brings a `log_in`, so that the options need to name no source.

    Raises:
        UsageError: the options name no source that will do.
    """

    def __init__(self, settings: Settings, processes: int = 1, all_log_in: bool = False) -> None:
        self._settings = settings
        self._logins = OwnLogins(settings.login_timeout)
        self._own = login_tokens(settings, self._logins, processes, option=OPTION)
        self._tokens: Tokens = self._own if all_log_in else read_tokens(settings, processes)
        self.own_conversations = OwnConversations(settings, processes)
        self.conversations = read_conversations(settings)
        self.conversations.check(self._public_fields(self._tokens, 0))

    @property
    def capacity(self) -> int | None:
        """How many users there are tokens for; None for any number."""
        return self._tokens.capacity

    def check_users(self, users: int | None) -> None:
        """Refuse fewer accounts or tokens than users; raises UsageError."""
        check_users(self._tokens, users, self._settings.first_user)

    def notes(
        self, users: int | None, spawn_rate: float, run_time_s: float | None, participants: Sequence[int]
    ) -> list[str]:
        """What is known before the start and may not be expected.

        Args:
            participants: of each user class.
        """
        shared = self.conversations.note(users, min(participants, default=1))
        return notes(self._settings, self._tokens, users, spawn_rate, run_time_s) + ([shared] if shared else [])

    def tokens(self, number: int, log_in: LogIn | None) -> Tokens:
        """Where user `number` gets its tokens: from its own `log_in` where it has one."""
        if log_in is None:
            if self._tokens is self._own:
                raise UsageError("--jwt-secret: a user without a log_in of its own needs a token; set it")
            return self._tokens
        self._logins.add(number, log_in)
        return self._own

    def bad_tokens(self) -> BadTokens:
        """Tokens to be refused: expired ones too where we hold the backend's key."""
        return BadTokens(self._tokens if isinstance(self._tokens, MintedTokens) else None)

    def conversation(self, number: int, participants: int, tokens: Tokens) -> str:
        """The id of the conversation of user `number`, which `participants` users share."""
        return self.conversations.id(number // participants, self._public_fields(tokens, number))

    def begin(self, on_login: OnLogin) -> None:
        """A run begins in this process."""
        for tokens in {self._tokens, self._own}:
            tokens.begin(on_login)

    def end(self) -> None:
        """It is over."""
        for tokens in {self._tokens, self._own}:
            tokens.end()

    def _public_fields(self, tokens: Tokens, number: int) -> dict[str, str]:
        """What a conversation may be called by: what users log in with is nothing to be sent and stored."""
        fields = tokens.fields(number)
        return {name: value for name, value in fields.items() if name not in self._settings.login_body.names - {"n"}}
