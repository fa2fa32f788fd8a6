"""How the commands take the parsers of `loadtest.settings` as the types of their options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """The type of an option that a parser of `loadtest.settings` reads.

    Args:
        parse: text to value; raises ValueError with what was wrong and what to do.
        metavar: what help calls the value.
    """

    def __init__(self, parse: Callable[[str], Any], metavar: str) -> None:
        self.name = metavar.lower()  # help shows it in capitals
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Words(click.types.StringParamType):
    """The type of an option that may be given several times: in the environment, commas lie between its values."""

    envvar_list_splitter = ","


class ParsedWords(Parsed):
    """Both: parsed, and separated by commas in the environment."""

    envvar_list_splitter = ","
