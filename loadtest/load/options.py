"""Our options on Locust's command line and page, from the declarations in `settings`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.errors import UsageError
from loadtest.objectives import Demands, demanded
from loadtest.settings import OPTIONS, Option, Settings, settings, ws_url


def add_options(parser: Any) -> None:
    """Add every option to Locust's parser.

    They go on the parser itself, since an argument group does not take Locust's own keywords. Values stay text: they
    are checked here, and parsed again at the start of each run, since those from the page arrive as text.
    """
    for option in OPTIONS:
        parser.add_argument(
            f"--{option.name}",
            env_var=option.env,
            help=option.help + ("" if option.default is None else f" (default: {option.default})"),
            include_in_web_ui=not (option.secret or option.multiple),
            **_keywords(option),
        )


def _keywords(option: Option) -> dict[str, Any]:
    if option.flag:
        return {"action": "store_true", "default": False}
    value = {"default": None, "type": _checked(option), "metavar": option.metavar}
    return value | ({"action": "append"} if option.multiple else {})


def _checked(option: Option) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            for part in option.parts(text) if option.multiple else [text]:
                option.parse(part)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return check


def read_settings(parsed_options: Any) -> Settings:
    """Settings from Locust's parsed options.

    Raises:
        UsageError: an option is wrong, or two do not go together.
    """
    values = {option.attribute: getattr(parsed_options, option.attribute, None) for option in OPTIONS}
    for option in OPTIONS:
        given = values[option.attribute]
        if option.multiple and isinstance(given, list):
            values[option.attribute] = option.separator.join(given)
    try:
        return settings(values)
    except ValueError as error:
        raise UsageError(str(error)) from None


def read_objectives(chosen: Settings) -> Demands:
    """What is asked of the run; reads the files that `--slo` names.

    Raises:
        UsageError: a file is no good.
    """
    try:
        return demanded(chosen.slo, chosen.abort_on)
    except ValueError as error:
        raise UsageError(f"--slo: {error}") from None


def check_results(results: Path) -> None:
    """Refuse a folder that run folders cannot be made in, before anything is sent.

    Raises:
        UsageError: it cannot be made or written.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
    except FileExistsError:
        raise UsageError(f"--results: cannot write to {results}: it is a file; name a folder") from None
    except OSError as error:
        raise UsageError(
            f"--results: cannot write to {results}: {error.strerror}; name a folder that can be written"
        ) from None


def check_host(host: str | None) -> str:
    """The address of the backend, checked.

    Raises:
        UsageError: missing, or not ws:// or wss://.
    """
    if not host:
        raise UsageError("--host: missing; give the address of the chat backend, as in --host ws://127.0.0.1:5000/ws")
    try:
        return ws_url(host)
    except ValueError as error:
        raise UsageError(f"--host: {error}") from None
