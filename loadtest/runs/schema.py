"""The tables of `run.db`.

The records of `model` are the columns: a field is a column of its name, but `user_class`, which is `class` in files. So
a field added to a record is stored without another line here, and old files lack its column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from loadtest.model import (
    Connect,
    Counts,
    Disconnect,
    Flush,
    Ghost,
    Health,
    Login,
    Message,
    Outage,
    Receipts,
    ServerSample,
    Stay,
    Step,
    Typed,
)

VERSION: Final = 1
"""`pragma user_version` of the files written; a reader refuses a higher one."""

RECORDS: Final[Mapping[str, type[Struct]]] = {
    "messages": Message,
    "connects": Connect,
    "disconnects": Disconnect,
    "outages": Outage,
    "histograms": Counts,
    "health": Health,
    "logins": Login,
    "receipts": Receipts,
    "stays": Stay,
    "typed": Typed,
    "server": ServerSample,
    "steps": Step,
    "ghosts": Ghost,
    "flushes": Flush,
}
"""Table to the record of which it holds one a row; also the names of the lists of `model.Batch`."""

OTHER_TABLES: Final = (
    "CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE counters (
        process TEXT, name TEXT, key TEXT, value INTEGER NOT NULL, PRIMARY KEY (process, name, key))""",
    """CREATE TABLE batches (
        process TEXT, sequence INTEGER, written_ns INTEGER NOT NULL, PRIMARY KEY (process, sequence))""",
)


def columns(record: type[Struct]) -> tuple[str, ...]:
    """Column names of a record's table, in the order of its fields."""
    return tuple("class" if name == "user_class" else name for name in record.__struct_fields__)


def stored_columns(database: sqlite3.Connection, table: str) -> frozenset[str]:
    """Columns that a table of an open file has; a file of an older version lacks some."""
    return frozenset(name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,)))


def stored_types(database: sqlite3.Connection, table: str) -> dict[str, str]:
    """The same columns in their order, each with its SQL type: `INTEGER`, `TEXT` or `BLOB`."""
    return dict(database.execute("SELECT name, type FROM pragma_table_info(?) ORDER BY cid", (table,)))


def create_statements() -> tuple[str, ...]:
    """The SQL that makes an empty `run.db`."""
    return (
        *(_create(table, record) for table, record in RECORDS.items()),
        *OTHER_TABLES,
        f"PRAGMA user_version = {VERSION}",
    )


def insert_statement(table: str) -> str:
    """The SQL that adds one record to a table; its parameters are the record's fields in order."""
    names = columns(RECORDS[table])
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})"


def _create(table: str, record: type[Struct]) -> str:
    types = (_sql_type(field.type) for field in msgspec.structs.fields(record))
    declared = ", ".join(f'"{name}" {sql}' for name, sql in zip(columns(record), types, strict=True))
    return f"CREATE TABLE {table} ({declared})"


def _sql_type(annotation: Any) -> str:
    kind = inspect.type_info(annotation)
    if isinstance(kind, inspect.UnionType):
        (present,) = (part for part in kind.types if not isinstance(part, inspect.NoneType))
        return _base_type(present)
    return f"{_base_type(kind)} NOT NULL"


def _base_type(kind: inspect.Type) -> str:
    if isinstance(kind, (inspect.IntType, inspect.BoolType)):
        return "INTEGER"
    return "BLOB" if isinstance(kind, inspect.BytesType) else "TEXT"
