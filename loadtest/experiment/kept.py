"""What an experiment keeps in its folder, so that it can go on where it was broken off, and what its runs have said."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from loadtest.errors import RunFolderError

_PREFIX: Final = "loadtest: error: "
"""Of what a command that is refused says last: whoever passes it on has a prefix of its own."""


class _Versioned(Protocol):
    """What says by which version it was written."""

    @property
    def schema(self) -> int: ...


Kept = TypeVar("Kept", bound=_Versioned)


def write_whole(path: Path, value: object) -> None:
    """Write a value as JSON for people, whole: whoever reads finds the old one or the new one.

    Raises:
        RunFolderError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}")
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
        beside.replace(path)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror}") from None


def read(path: Path, type_: type[Kept], schema: int, experiment: str) -> Kept:
    """The state of an experiment, as `write_whole` left it.

    Args:
        schema: the newest that is known.
        experiment: what leaves such a file, in words.

    Raises:
        RunFolderError: there is none, it is damaged, or of a newer version.
    """
    folder, name = path.parent, path.name
    try:
        state = msgspec.json.decode(path.read_bytes(), type=type_)
    except OSError as error:
        raise RunFolderError(f"{folder}: holds no {name}: {error.strerror}; give the folder of {experiment}") from None
    except msgspec.MsgspecError as error:
        raise RunFolderError(f"{folder}: {name} cannot be read: {error}") from None
    if state.schema > schema:
        raise RunFolderError(f"{folder}: written by a newer loadtest (schema {state.schema}); upgrade to read it")
    return state


def last_line(console: Path) -> str:
    """What a run said last, which is why it left nothing."""
    lines = console.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = lines[-1].removeprefix(_PREFIX) if lines else ""
    return said or f"the run left nothing and said nothing; {console} is empty"
