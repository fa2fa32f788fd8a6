"""What an option is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from loadtest.settings.parsers import redacted


class Option(Struct, frozen=True):
    """One option.

    Attributes:
        name: as on the command line, without dashes.
        parse: text to value; raises ValueError.
        default: text of the default; None when there is none.
        help: one line.
        secret: kept out of pages, logs and run folders.
        multiple: may be given several times; in the environment separated by `separator`.
        separator: a character that no value of the option holds.
        flag: given without a value; in the environment `true` or `false`.
    """

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    metavar: str
    secret: bool = False
    multiple: bool = False
    separator: str = ","
    flag: bool = False

    @property
    def env(self) -> str:
        return "LOADTEST_" + self.name.replace("-", "_").upper()

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    def withholds(self, value: Any) -> bool:
        """Whether a value has no place on a command line or in a file: it may be secret, as the query of an address."""
        return self.secret or (isinstance(value, str) and "://" in value and redacted(value) != value)

    def parts(self, text: str) -> list[str]:
        """The values in one text of an option that may be given several times."""
        return [part for part in text.split(self.separator) if part.strip()]

    def joined(self, value: Any) -> Any:
        """Values of an option that was given several times as one text; any other value as it is."""
        return self.separator.join(value) if isinstance(value, tuple) else value
