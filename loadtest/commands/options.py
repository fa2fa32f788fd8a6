"""How the commands take the parsers of `loadtest.settings` as the types of their options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from loadtest.settings import OPTIONS, Option


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


class Several(click.ParamType):  # type: ignore[type-arg]
    """The type of an option that may be given several times: text, and how the environment separates it."""

    name = "text"

    def __init__(self, option: Option) -> None:
        self._option = option

    def split_envvar_value(self, rv: str) -> list[str]:
        return self._option.parts(rv)


def options_of(table: Iterable[Option]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a command these options; their values stay text."""
    declared = list(table)

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(declared):
            command = _option(option)(command)
        return command

    return add


def _option(option: Option) -> Callable[..., Any]:
    named: dict[str, Any] = {"envvar": option.env, "show_envvar": option.secret}
    if option.flag:
        return click.option(_and_opposite(option.name), option.attribute, default=False, help=option.help, **named)
    return click.option(
        f"--{option.name}",
        option.attribute,
        type=Several(option) if option.multiple else None,
        metavar=option.metavar,
        multiple=option.multiple,
        help=option.help + ("" if option.default is None else f" [default: {option.default}]"),
        **named,
    )


def _and_opposite(flag: str) -> str:
    """Both words for a flag: what a file or the environment has switched on, the command line can switch off."""
    opposite = flag.removeprefix("no-") if flag.startswith("no-") else f"no-{flag}"
    return f"--{flag}/--{opposite}"


def withheld(given: Mapping[str, Any]) -> dict[str, str]:
    """What no command line shows, as environment."""
    return {
        option.env: str(option.joined(value))
        for option in OPTIONS
        if (value := given.get(option.attribute)) and option.withholds(value)
    }


def by_environment(given: Mapping[str, Any]) -> dict[str, str]:
    """What a process of ours takes by environment: what may be secret, and that a flag is off whatever else says."""
    off = {option.env: "false" for option in OPTIONS if option.flag and not given.get(option.attribute)}
    return withheld(given) | off


class ParsedWords(Parsed):
    """Parsed, and separated by commas in the environment."""

    envvar_list_splitter = ","
