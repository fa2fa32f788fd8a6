"""The connection before a run, made as the first user of the locustfile makes it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from loadtest.client.client import ChatClient
from loadtest.client.endpoint import Endpoint
from loadtest.load.own_login import LogIn
from loadtest.load.people import People
from loadtest.load.plugin.user_classes import classes_used
from loadtest.load.preflight import preflight
from loadtest.load.reach import remarks
from loadtest.load.users import ChatUser, creates, logs_in, spoken
from loadtest.model import Batch
from loadtest.settings import Settings


def tried(environment: Any, endpoint: Endpoint, settings: Settings, people: People) -> Batch:
    """What was recorded of it; behind what is to be known before anything is sent.

    Raises:
        UsageError: no authenticated connection, or no conversation; says what was seen and what to do.
    """
    for remark in remarks(endpoint, settings):
        print(remark, file=sys.stderr, flush=True)
    return preflight(
        endpoint,
        settings,
        people,
        _a_log_in(environment, settings),
        spoken(environment.user_classes),
        _a_converse(environment, settings),
    )


def _a_log_in(environment: Any, settings: Settings) -> LogIn | None:
    """How the preflight logs in: as the first user of a class that brings a `log_in`, where there is one."""
    return next((_first(cls, environment, settings).log_in for cls in classes_used(environment) if logs_in(cls)), None)


def _a_converse(environment: Any, settings: Settings) -> Callable[[ChatClient], str | None] | None:
    """How it creates a conversation: as the first user of a class that does, where there is one."""
    user = next((_first(cls, environment, settings) for cls in classes_used(environment) if creates(cls)), None)
    if user is None:
        return None

    def converse(client: ChatClient) -> str | None:
        user.client = client
        return user.create_conversation()

    return converse


def _first(cls: type[ChatUser], environment: Any, settings: Settings) -> ChatUser:
    user = cls(environment)
    user.number, user.settings = settings.first_user, settings
    return user
