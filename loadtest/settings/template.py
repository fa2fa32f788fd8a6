"""Texts and JSON values with `{name}` where users differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

_NAME: Final = re.compile(r"\{(\w+)\}")

_REMEDY: Final = 'give an object, quoted for the shell, as in \'{"name": "load-{n}"}\''


class Template(Struct, frozen=True):
    """A text, or a JSON value, in whose texts `{name}` stands for a field of the user.

    Attributes:
        value: as given, decoded where it is JSON.
    """

    value: Any

    @property
    def names(self) -> frozenset[str]:
        """The fields that it takes."""
        return frozenset(name for text in _texts(self.value) for name in _NAME.findall(text))

    def fill(self, fields: Mapping[str, str]) -> Any:
        """The value for one user; raises KeyError for a field that the user lacks."""
        return _filled(self.value, fields)

    def __str__(self) -> str:
        return self.value if isinstance(self.value, str) else json.dumps(self.value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _filled(value: Any, fields: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _NAME.sub(lambda match: fields[match[1]], value)
    if isinstance(value, dict):
        return {key: _filled(part, fields) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, fields) for part in value]
    return value


def text_template(text: str) -> Template:
    """`conv-{n}` as a template."""
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{text!r} is no template: give a text, with {{n}} where it differs")
    return Template(text)


def json_template(text: str) -> Template:
    """A JSON object, in whose texts `{name}` stands for a field, as a template. A complaint shows none of it."""
    try:
        value = json.loads(text)
    except ValueError as error:
        at = f" ({error.msg} at character {error.pos + 1})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(
            f'is not JSON{at}; give an object, quoted for the shell, as in \'{{"name": "load-{{n}}"}}\''
        ) from None
    if not isinstance(value, dict):
        raise ValueError(f"is JSON, but no object; {_REMEDY}")
    return Template(value)
