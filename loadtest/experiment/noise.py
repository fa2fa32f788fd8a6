"""The noise floor of a setup: what its last A/A experiment found, kept for the experiments that follow."""

from __future__ import annotations

import platform
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from loadtest.analysis.compare import Comparison
from loadtest.errors import RunFolderError
from loadtest.experiment.ab import Plan
from loadtest.experiment.kept import write_whole

FILE: Final = "noise-floor.json"
"""In the results folder."""


class Floor(Struct, frozen=True):
    """How far runs of one build lie apart.

    Attributes:
        setup: of the experiment.
        measured_utc: aware.
        pairs: that were run.
        sd: standard deviation of the log ratio of a pair, by gate.
    """

    setup: str
    measured_utc: datetime
    pairs: int
    sd: dict[str, float]


def setup(plan: Plan) -> str:
    """What makes one noise floor hold for another experiment: machine and load, whatever the build."""
    facts = (
        plan.locustfile,
        *plan.classes,
        f"{plan.users} users",
        f"{plan.run_time_s:g} s",
        f"{plan.processes} processes",
    )
    options = sorted(word for word in plan.options if not word.startswith("--label="))
    started = "started afresh" if plan.base.command else "running"
    return " ".join((platform.node(), *facts, started, *options))


def recall(results: Path, plan: Plan) -> Floor | None:
    """The floor of a setup; None where none was measured.

    Raises:
        RunFolderError: the file is damaged.
    """
    return next((floor for floor in _all(results) if floor.setup == setup(plan)), None)


def keep(results: Path, plan: Plan, result: Comparison, measured_utc: datetime) -> Floor:
    """Keep the floor that an A/A experiment found, in place of an older one of the setup.

    Raises:
        RunFolderError: the file cannot be written, or is damaged: it holds the floors of other setups, too.
    """
    sd = {key: change.sd for key, change in result.gated.items() if change.sd is not None}
    floor = Floor(setup(plan), measured_utc, len(result.base), sd)
    others = [other for other in _all(results) if other.setup != floor.setup]
    write_whole(results / FILE, [*others, floor])
    return floor


def _all(results: Path) -> list[Floor]:
    try:
        return msgspec.json.decode((results / FILE).read_bytes(), type=list[Floor])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFolderError(f"cannot read {results / FILE}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise RunFolderError(f"cannot read {results / FILE}: {error}; mend it, or move it away") from None
