"""What `chat` and `check` are asked for by the options of a run: read as a run reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from loadtest.client.tokens import Tokens
from loadtest.errors import UsageError
from loadtest.settings import OPTIONS, Settings, settings


def read_options(texts: Mapping[str, Any]) -> Settings:
    """Options by their attribute, each one text or several; secrets come from the environment.

    Raises:
        UsageError: one is no good, or does not go with another.
    """
    secrets = {option.attribute: os.environ.get(option.env) for option in OPTIONS if option.secret}
    try:
        return settings({**texts, **secrets})
    except ValueError as error:
        raise UsageError(str(error)) from None


def check_user(tokens: Tokens, number: int) -> None:
    """Refuse the number of a user whom a file does not have.

    Raises:
        UsageError: says how many it has.
    """
    if tokens.capacity is not None and number >= tokens.capacity:
        raise UsageError(
            f"--user: {number} is beyond the {tokens.capacity} users of the file, counted from 0; give a lower number"
        )
