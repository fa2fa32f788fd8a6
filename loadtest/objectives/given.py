"""Objectives as they are given: as values of options, or in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loadtest.metrics import BY_KEY
from loadtest.objectives.names import COUNTS, RATIOS
from loadtest.objectives.parse import EXAMPLE, abort_condition, objective
from loadtest.objectives.values import Demands, contradiction


def is_file(text: str) -> bool:
    """Whether the value of `--slo` names a file: it compares nothing."""
    return not any(sign in text for sign in "<>=")


def checked(text: str) -> str:
    """One value of `--slo`, checked as far as that can be done without reading a file.

    Raises:
        ValueError: with what is wrong and what to write instead.
    """
    text = text.strip()
    if not text or (is_file(text) and text.partition(".")[0] in (*BY_KEY, *RATIOS, *COUNTS)):
        raise ValueError(f"{text!r} is no objective: give metric, comparison and limit, as in {EXAMPLE}")
    return text if is_file(text) else objective(text).text


def checked_condition(text: str) -> str:
    """One value of `--abort-on`, checked.

    Raises:
        ValueError: with what is wrong and what to write instead.
    """
    return abort_condition(text).text


def demanded(slo: Iterable[str], abort_on: Iterable[str] = ()) -> Demands:
    """Objectives from the values of `--slo`, each an objective or a TOML file of them, and of `--abort-on`.

    Raises:
        ValueError: with the file, what is wrong in it, and what to do; or with objectives that no run can meet.
    """
    given = [Demands((objective(text),)) if not is_file(text) else _from_file(Path(text)) for text in slo]
    found = Demands(
        tuple(each for one in given for each in one.objectives),
        (*(each for one in given for each in one.abort_on), *map(abort_condition, abort_on)),
    )
    if against := contradiction(found.objectives):
        low, high = against
        raise ValueError(f"no run can meet both {low.text!r} and {high.text!r}; leave one of them out")
    return found


def _from_file(path: Path) -> Demands:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give one, or an objective as in {EXAMPLE}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: is no TOML: {error}; write objectives = ["{EXAMPLE}"]') from None
    for key in content:
        if key not in ("objectives", "abort_on"):
            raise ValueError(f'{path}: {key!r} is no key; write objectives = ["{EXAMPLE}"], and abort_on likewise')
    if not content.get("objectives"):
        raise ValueError(f'{path}: holds no objective; write objectives = ["{EXAMPLE}"]')
    try:
        return Demands(
            tuple(objective(text) for text in _texts(content["objectives"])),
            tuple(abort_condition(text) for text in _texts(content.get("abort_on", []))),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f'{value!r} is no list of texts; write ["{EXAMPLE}"]')
    return value
