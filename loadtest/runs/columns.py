"""The messages of a run as columns: one numpy array a field, so that a million rows take 120 MB and not a gigabyte.

Instants and lengths are int64 with `MISSING` where the database has NULL; texts are codes into a tuple of names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MISSING: Final = -1
"""What stands for an unknown instant or length: neither is ever negative."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A column of texts of which few differ.

    Attributes:
        codes: index into `names` of each row, of the shortest type that holds them, shape n.
        names: the distinct texts; None where the database has NULL.
    """

    codes: npt.NDArray[np.unsignedinteger[Any]]
    names: tuple[str | None, ...]

    def __getitem__(self, rows: Bools) -> Text:
        return Text(self.codes[np.flatnonzero(rows)], self.names)  # far faster than by the mask

    def is_in(self, *wanted: str | None) -> Bools:
        """Which rows hold one of the texts."""
        hits = np.array([name in wanted for name in self.names], dtype=np.bool_)
        return hits.take(self.codes) if len(hits) else np.zeros(len(self.codes), np.bool_)

    def counts(self) -> dict[str | None, int]:
        """Rows of each text that occurs."""
        found: Counter[str | None] = Counter()
        for name, count in zip(self.names, np.bincount(self.codes, minlength=len(self.names)), strict=True):
            found[name] += int(count)
        return {name: count for name, count in found.items() if count}


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """Columns of `messages`, named as in the database; all of the same length."""

    user: Text
    user_class: Text
    population: Text
    outcome: Text
    stream_state: Text
    reason: Text
    intended_ns: Ints
    sent_ns: Ints
    received_ns: Ints
    delivered_ns: Ints
    refused_ns: Ints
    first_content_ns: Ints
    last_content_ns: Ints
    completed_ns: Ints
    received_bound_ns: Ints
    delivered_bound_ns: Ints
    first_content_bound_ns: Ints
    completed_bound_ns: Ints
    handover_ns: Ints
    longest_stall_ns: Ints
    chunks: Ints
    progress_chunks: Ints
    chars: Ints
    stream_bytes: Ints
    text_bytes: Ints
    retry_after_s: Ints

    def __len__(self) -> int:
        return len(self.intended_ns)


TEXT_COLUMNS: Final = tuple(field.name for field in fields(Messages) if field.type == "Text")
INT_COLUMNS: Final = tuple(field.name for field in fields(Messages) if field.type == "Ints")
