"""`--config FILE`: the options of a command from a TOML file, a key for each.

What the file says are defaults to click, behind the command line and the environment. So the keys are the options that
the command declares, and a new option is a new key.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from loadtest.settings import ALTERNATIVES, OPTIONS

_OPTION_BY_NAME: Final = {option.name: option for option in OPTIONS}
_NO_KEYS: Final = frozenset({"config", "print-config", "help"})
_STRONGER: Final = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
"""What wins over a file."""


def config_option(others: Callable[[], click.Command] | None = None) -> Callable[..., Any]:
    """The decorator for `--config`.

    Args:
        others: a command whose keys are known as well, and mean nothing here.
    """

    def read(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
        if path is not None:
            known = _keys(others()) if others is not None else {}
            context.default_map = _defaults(context, path, known)

    return click.option(
        "--config", type=click.Path(path_type=Path), is_eager=True, expose_value=False, callback=read,
        envvar="LOADTEST_CONFIG", metavar="FILE",
        help="TOML file with options by their names; the environment wins over it, and the command line over both.",
    )  # fmt: skip


def without_overridden(context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The values without those of a file that are about something else than the command line or the environment names.

    A token source, for one, takes the place of the file's, and of all that the file says of its own.
    """
    source = {name: context.get_parameter_source(name) for name in given}
    kept = dict(given)
    for each in ALTERNATIVES:
        named = [name for name in each if given.get(name) and source[name] in _STRONGER]
        if named:
            theirs = frozenset(named).union(*(each[name] for name in named))
            others = frozenset(each).union(*each.values()) - theirs
            kept |= {name: None for name in others & kept.keys() if source[name] is ParameterSource.DEFAULT_MAP}
    return kept


def as_toml(context: click.Context, values: Mapping[str, Any]) -> str:
    """The options in force as a file for `--config`; those that nobody chose as comments, and no secret.

    Args:
        values: by the names of the command's parameters.
    """
    lines = ["# options of `loadtest run --config FILE`; the environment wins over it, and the command line over both"]
    for key, parameter in _keys(context.command).items():
        name = parameter.name or ""
        option = _OPTION_BY_NAME.get(key)
        lines += [
            "",
            f"# {getattr(parameter, 'help', None) or 'user classes to run; all where none is named'}",
        ]
        chosen = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if option is not None and option.secret:
            lines.append(f"# {key}: a secret; better by {option.env} in the environment")
        elif chosen and values.get(name) not in (None, ()):
            lines.append(f"{key} = {_toml(values[name])}")
        else:
            default = option.default if option is not None else values.get(name)
            lines.append(f"# {key} = {_toml(parameter.make_metavar(context) if default is None else default)}")
    return "\n".join(lines)


# --- reading ---------------------------------------------------------------------------------------------------------
def _defaults(context: click.Context, path: Path, known: dict[str, click.Parameter]) -> dict[str, Any]:
    own, given, values = _keys(context.command), _read(path), {}
    for key, value in given.items():
        if key not in own | known:
            raise click.UsageError(f"--config: {path}: there is no option {_shown(key)}; {_suggestion(key, own)}")
        if key in own:
            values[own[key].name or ""] = _checked(context, own[key], key, value, path)
    secrets = [option.env for key in given if (option := _OPTION_BY_NAME.get(key)) and option.secret]
    if secrets:
        better = f"better by {', '.join(secrets)} in the environment"
        click.echo(f"loadtest: warning: --config: {path} holds secrets; {better}", err=True)
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"--config: {path} cannot be read ({error.strerror}); give a TOML file") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"--config: {path} is no text in UTF-8; give a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(f"--config: {path} is no TOML: {error}") from None


def _keys(command: click.Command) -> dict[str, click.Parameter]:
    """Keys of a file to the parameters that they set: the long names of options, and the names of arguments."""
    names = ((_long_name(parameter), parameter) for parameter in command.params)
    return {name: parameter for name, parameter in names if name not in _NO_KEYS}


def _long_name(parameter: click.Parameter) -> str:
    return next((word.removeprefix("--") for word in parameter.opts if word.startswith("--")), parameter.name or "")


def _suggestion(key: str, own: Iterable[str]) -> str:
    near = get_close_matches(key.replace("_", "-"), own, n=1)
    return f"did you mean {near[0]}?" if near else "`loadtest run --print-config` shows all"


def _checked(context: click.Context, parameter: click.Parameter, key: str, value: Any, path: Path) -> Any:
    """The value as click takes it from a command line."""
    option = _OPTION_BY_NAME.get(key)
    try:
        raw = _raw(parameter, value)
        if option is not None and not isinstance(raw, bool):
            for part in raw if isinstance(raw, list) else [raw]:
                option.parse(part)
        parameter.type_cast_value(context, raw)
    except ValueError as error:
        raise click.UsageError(f"--config: {path}: {key}: {error}") from None
    except click.BadParameter as error:
        raise click.UsageError(f"--config: {path}: {key}: {error.message}") from None
    return raw


def _raw(parameter: click.Parameter, value: Any) -> str | bool | list[str]:
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise ValueError("give true or false")
        return value
    several = parameter.nargs == -1 or getattr(parameter, "multiple", False)
    if isinstance(value, dict):  # a table of label or weights
        pairs = [f"{name}={_text(part)}" for name, part in value.items()]
        return pairs if several else ",".join(pairs)
    if isinstance(value, list):
        parts = [_text(part) for part in value]
        if several:
            return parts
        raise ValueError("is one value, not a list")
    return [_text(value)] if several else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("give a text in quotes or a number")
    return value if isinstance(value, str) else f"{value:.15g}"


# --- writing ---------------------------------------------------------------------------------------------------------
def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:.15g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return _shown(str(value))


def _shown(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's."""
    return json.dumps(text)
