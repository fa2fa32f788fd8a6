"""Accounts of real users, from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_NAMES: Final = ("userId", "user_id", "id")
"""Columns that say what the backend calls a user."""


class UsersFile:
    """Accounts, one a row, under a row of column names.

    Args:
        needed: columns that the login takes, in which no value may be empty.

    Raises:
        ValueError: the file cannot be read, lacks a column or a value, or holds an account twice.
    """

    def __init__(self, path: Path, needed: Iterable[str]) -> None:
        where, self._needed = repr(str(path)), sorted(needed)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                self.columns = [name.strip() for name in next(reader, [])]
                self._check_columns(where)
                self._rows = [self._row(where, reader.line_num, row) for row in reader if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or "not a CSV file"
            raise ValueError(f"{where} cannot be read ({reason}); give a CSV file with a row of column names") from None
        if not self._rows:
            raise ValueError(f"{where} holds no user; give a row for each under the row of column names")
        self._check_repeated(where)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> dict[str, str]:
        """The columns of one account by name."""
        return dict(zip(self.columns, self._rows[number], strict=True))

    def user_id(self, number: int) -> str | None:
        """What the backend calls this user, where a column says so."""
        row = self.row(number)
        return next((row[name] for name in _NAMES if row.get(name)), None)

    def _check_columns(self, where: str) -> None:
        missing = [name for name in self._needed if name not in self.columns]
        if missing:
            there = ", ".join(self.columns[:8]) or "none"
            raise ValueError(
                f"{where} has no column {missing[0]}, which --login-body takes (it has {there}); name the column, or "
                "change the body"
            )

    def _row(self, where: str, line: int, row: list[str]) -> list[str]:
        if len(row) != len(self.columns):
            raise ValueError(f"line {line} of {where} has {len(row)} columns, not {len(self.columns)}; mend the line")
        for name in self._needed:
            if not row[self.columns.index(name)].strip():
                raise ValueError(f"line {line} of {where} has no {name}; fill it in, or take the line out")
        return row

    def _check_repeated(self, where: str) -> None:
        places = [self.columns.index(name) for name in self._needed]
        seen: dict[tuple[str, ...], int] = {}
        for number, row in enumerate(self._rows):
            first = seen.setdefault(tuple(row[place] for place in places), number)
            if places and first != number:
                raise ValueError(f"user {number + 1} of {where} repeats user {first + 1}; give each its own account")
