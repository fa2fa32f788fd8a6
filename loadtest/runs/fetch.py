"""Fetches the columns of `messages` fast: a million rows in two or three seconds and little memory.

The database joins each column of some thousand rows into one text, which numpy takes apart. No Python object is made
for each number, and the database works without the interpreter's lock, so that threads share the rows: several times as
fast as fetching tuples. A text column with few distinct values is turned into their numbers within the query.
"""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadtest.model import Outcome, Population, StreamState
from loadtest.runs.columns import INT_COLUMNS, MISSING, TEXT_COLUMNS, Messages, Text
from loadtest.runs.schema import stored_columns

_ROWS_AT_ONCE: Final = 25_000
_THREADS: Final = min(os.cpu_count() or 1, 4)
_FEW: Final = 32
_SEPARATOR: Final = "\x1f"
"""ASCII unit separator. Where a text from outside holds one, such as a user of a tokens file, it is read as a blank."""
_EXPRESSIONS: Final = {"user_class": "class"} | {
    # as a literal: SQLite would work char(31) out anew for each row
    name: f"replace({name}, '{_SEPARATOR}', ' ')"
    for name in ("user", "reason")
}
_KNOWN: Final = {"outcome": tuple(Outcome), "population": tuple(Population), "stream_state": tuple(StreamState)}

Column = npt.NDArray[Any]


class _Codes(dict[str, int]):
    """Numbers texts in the order in which they are first seen."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code

    def encode(self, joined: str) -> Column:
        texts = joined.split(_SEPARATOR)
        with self._lock:
            return np.fromiter(map(self.__getitem__, texts), np.uint32, len(texts))


@dataclass(frozen=True, slots=True)
class _TextColumn:
    """How one text column is fetched: as numbers of names known before, or as text."""

    name: str
    few: tuple[str | None, ...] | None
    codes: _Codes

    @property
    def sql(self) -> str:
        if self.few is None:
            return f"group_concat(ifnull({_source(self.name)}, ''), '{_SEPARATOR}')"
        # NULL equals nothing, so it is what is left
        cases = "".join(f"WHEN ? THEN {code} " for code in range(len(self.few)))
        return (
            f"group_concat(CASE {_source(self.name)} {cases}ELSE {len(self.few)} END)" if cases else "group_concat(0)"
        )

    @property
    def names(self) -> tuple[str | None, ...]:
        return tuple(text or None for text in self.codes) if self.few is None else (*self.few, None)

    def decode(self, joined: str) -> Column:
        return self.codes.encode(joined) if self.few is None else np.fromstring(joined, np.uint8, sep=",")


def _source(column: str) -> str:
    return _EXPRESSIONS.get(column, column)


def _text_column(uri: str, name: str) -> _TextColumn:
    if name in _KNOWN:
        return _TextColumn(name, _KNOWN[name], _Codes())
    source = _source(name)
    with closing(sqlite3.connect(uri, uri=True)) as database:
        rows = database.execute(
            f"SELECT DISTINCT {source} FROM messages WHERE {source} IS NOT NULL LIMIT {_FEW + 1}"
        ).fetchall()
    return _TextColumn(name, tuple(text for (text,) in rows) if len(rows) <= _FEW else None, _Codes())


def _query(texts: list[_TextColumn], there: frozenset[str]) -> str:
    """Of the rows in a span; a column that a file of an older version lacks is unknown throughout."""
    numbers = (f"ifnull({column}, {MISSING})" if column in there else str(MISSING) for column in INT_COLUMNS)
    columns = ", ".join([*(text.sql for text in texts), *(f"group_concat({number})" for number in numbers)])
    return f"SELECT {columns} FROM messages WHERE rowid > ? AND rowid <= ?"


def _fetch_span(uri: str, first: int, last: int, texts: list[_TextColumn], columns: list[Column]) -> None:
    """Fill in the rows in (first, last]: row `n` of the database is place `n - 1` of each column."""
    names = [name for text in texts for name in text.few or ()]
    with closing(sqlite3.connect(uri, uri=True)) as database:
        query = _query(texts, stored_columns(database, "messages"))
        for start in range(first, last, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, last)
            row = database.execute(query, (*names, start, stop)).fetchone()
            for place, (column, joined) in enumerate(zip(columns, row, strict=True)):
                decode = texts[place].decode if place < len(texts) else _numbers
                values = decode(joined or "")
                if len(values) != stop - start:
                    raise sqlite3.DatabaseError(f"rows are missing between {start + 1} and {stop}")
                column[start:stop] = values


def _numbers(joined: str) -> Column:
    return np.fromstring(joined, np.int64, sep=",")


def fetch_messages(uri: str) -> Messages:
    """All messages of a database, in the order of writing.

    Args:
        uri: SQLite URI of the file; each thread opens it for itself.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with closing(sqlite3.connect(uri, uri=True)) as database:
        # rows are only ever added, so that they are numbered without holes
        (last,) = database.execute("SELECT ifnull(max(rowid), 0) FROM messages").fetchone()
    cuts = np.linspace(0, last, _THREADS + 1 if last > _ROWS_AT_ONCE else 2, dtype=np.int64).tolist()
    with ThreadPoolExecutor(_THREADS) as pool:
        texts = list(pool.map(lambda name: _text_column(uri, name), TEXT_COLUMNS))
        kinds = [np.uint32 if text.few is None else np.uint8 for text in texts] + [np.int64] * len(INT_COLUMNS)
        columns: list[Column] = [np.empty(last, kind) for kind in kinds]
        list(pool.map(lambda first, last: _fetch_span(uri, first, last, texts, columns), cuts[:-1], cuts[1:]))
    coded = [_coded(codes, text.names) for codes, text in zip(columns, texts, strict=False)]
    return Messages(*coded, *columns[len(texts) :])  # type: ignore[arg-type]  # in the order of its fields


def _coded(codes: Column, names: tuple[str | None, ...]) -> Text:
    """A column of texts with codes as short as the number of its names allows."""
    return Text(codes.astype(np.min_scalar_type(len(names)), copy=False), names)
