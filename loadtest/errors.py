"""Everything that this package raises on purpose.

LoadtestError
├── UsageError          bad input from the person at the keyboard: exit code 2
│   └── RunFolderError  a run folder that cannot be read or written
│       └── UnwritableRecord  a record that no run folder can hold
├── NothingMeasured     a run that holds no sample: exit code 3
└── FrameError          a frame that is no event of the guide: counted, never fatal
    ├── MalformedFrame  not JSON, or JSON without a type
    ├── UnknownEvent    a type that the guide does not list
    └── InvalidEvent    a known type whose fields are not what the guide says
"""

from __future__ import annotations

from typing import Final

BROKEN: Final = 70
"""Exit code of a mistake of ours, and no verdict, which 1 would be taken for: EX_SOFTWARE of sysexits.h."""
INTERRUPTED: Final = 130
"""Exit code of what Ctrl-C broke off: 128 + SIGINT, as shells report it."""


class LoadtestError(Exception):
    """Base of all; its text is one line for a person."""

    exit_code = 1


class UsageError(LoadtestError):
    """The input cannot work. The text names the option, what was wrong and what to do."""

    exit_code = 2


class RunFolderError(UsageError):
    """A run folder that is missing, unreadable or not writable."""


class UnwritableRecord(RunFolderError):
    """A record that no run folder can hold, such as a text with half a character: to try again is of no use."""


class NothingMeasured(LoadtestError):
    """The run exists, but holds nothing to conclude from."""

    exit_code = 3


class FrameError(LoadtestError):
    """A received frame that is no event of the guide."""


class MalformedFrame(FrameError):
    """Not JSON, or JSON that is not an object with a string `type`."""


class UnknownEvent(FrameError):
    """A well-formed event of a type that the guide does not list.

    Attributes:
        type: the type, cut to 64 characters.
    """

    def __init__(self, type: str) -> None:
        self.type = type[:64]
        super().__init__(f"unknown event type {self.type!r}")


class InvalidEvent(FrameError):
    """A known type with fields missing or of the wrong kind.

    Attributes:
        type: the event's type.
        detail: what the decoder objected to.
    """

    def __init__(self, type: str, detail: str) -> None:
        self.type = type
        self.detail = detail
        super().__init__(f"{type}: {detail}")
