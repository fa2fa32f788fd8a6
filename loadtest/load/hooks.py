"""What a locustfile brings for one user without its scenario: `loadtest chat -f` is that user."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from loadtest.client.client import ChatClient
from loadtest.client.dialect import GUIDE, Dialect
from loadtest.errors import UsageError
from loadtest.load.own_login import LogIn
from loadtest.settings import Settings


def _nobody(_client: ChatClient) -> None: ...


def _none() -> str | None:
    return None


class Hooks(Struct, frozen=True):
    """Of one user; without a locustfile, those of the guide.

    Attributes:
        dialect: how the server words the guide's events.
        participants: users who share a conversation.
        log_in: its login; None where the options say who it is.
        create_conversation: gives the id of a new conversation; None takes it from the options. May block, and raise.
        meet: tells the user of its client, before it creates a conversation.
    """

    dialect: Dialect = GUIDE
    participants: int = 1
    log_in: LogIn | None = None
    create_conversation: Callable[[], str | None] = _none
    meet: Callable[[ChatClient], None] = _nobody


def read_hooks(path: str, number: int, chosen: Settings) -> Hooks:
    """Those of user `number`, of the first class of chat users in a locustfile. Imports Locust.

    Raises:
        UsageError: the file cannot be imported, or has no such class.
    """
    from locust.env import Environment  # noqa: PLC0415
    from locust.util.load_locustfile import load_locustfile  # noqa: PLC0415

    from loadtest.load.users import chat_classes, logs_in  # noqa: PLC0415

    try:
        classes, _ = load_locustfile(path)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a locustfile raises is one line
        raise UsageError(f"--locustfile: {path} cannot be imported: {type(error).__name__}: {error}") from None
    found = chat_classes(classes.values())
    if not found:
        raise UsageError(f"--locustfile: {path} has no user class of ChatUser; name one that has")
    user = found[0](Environment(user_classes=[*found]))
    user.number, user.settings = number, chosen
    return Hooks(
        dialect=user.dialect,
        participants=found[0].room(chosen),
        log_in=user.log_in if logs_in(found[0]) else None,
        create_conversation=user.create_conversation,
        meet=partial(setattr, user, "client"),
    )
