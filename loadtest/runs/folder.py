"""Where runs lie: `results/<YYYYMMDDTHHMMSSZ>-<scenario>[-2]/`, and `results/latest`, a relative link to the newest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from filecmp import cmp
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Final

from loadtest.errors import RunFolderError

DATABASE: Final = "run.db"
SUMMARY: Final = "summary.json"
LATEST: Final = "latest"


def create(results: Path, scenario: str, now: datetime) -> Path:
    """Make the folder of a new run and point `results/latest` to it.

    Args:
        results: made, with its parents, when it is not there.
        scenario: any text; what does not belong into a file name becomes `-`.
        now: an aware instant; the folder is named after it in UTC.

    Raises:
        RunFolderError: the folder cannot be made, or something that is no link and no copy lies at `latest`.
    """
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", scenario).strip("-.") or "run"
    with _explained(results):
        _make_way(results / LATEST)
        folder = _new_folder(results, f"{_stamp(now)}-{slug}")
        _point_latest_to(folder)
    return folder


def create_apart(results: Path, kind: str, now: datetime) -> Path:
    """Make a folder `<kind>-<YYYYMMDDTHHMMSSZ>` for what takes several runs; `results/latest` stays where it is.

    Raises:
        RunFolderError: the folder cannot be made.
    """
    with _explained(results):
        return _new_folder(results, f"{kind}-{_stamp(now)}")


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


@contextmanager
def _explained(results: Path) -> Iterator[None]:
    try:
        results.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(
            f"--results: cannot write to {results}: {reason}; name a folder that can be written"
        ) from None


def _new_folder(results: Path, name: str) -> Path:
    for number in count(1):
        folder = results / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable: count() does not end")


def _make_way(latest: Path) -> None:
    """Remove a copy of a run: what archives make of the link, as the artifacts of GitHub do."""
    if latest.is_symlink() or not latest.exists():
        return
    own, beside = latest / DATABASE, latest.parent.glob(f"*/{DATABASE}")
    if not any(other != own and own.is_file() and cmp(own, other, shallow=False) for other in beside):
        raise RunFolderError(f"--results: {latest} is no link, and no copy of a run beside it; move it away")
    rmtree(latest)


def _point_latest_to(folder: Path) -> None:
    # A link cannot be overwritten, but another one can be renamed over it: `latest` is never missing in between.
    fresh = folder.parent / f".{LATEST}-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name, target_is_directory=True)
    try:
        fresh.replace(folder.parent / LATEST)
    finally:
        fresh.unlink(missing_ok=True)


def open_run(path: Path) -> Path:
    """The real folder behind a path that a person gave, which may be `results/latest` or the `run.db` itself.

    Raises:
        RunFolderError: nothing is there, or no run is in it.
    """
    folder = path.parent if path.name == DATABASE else path
    try:
        there, holds_run = folder.is_dir(), (folder / DATABASE).is_file()
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror}; give a run folder that you may read") from None
    if not there:
        raise RunFolderError(f"{path}: no such run folder; give one that a run left, as in results/latest")
    if not holds_run:
        raise RunFolderError(
            f"{path}: holds no {DATABASE}, so it is no run folder; give one that a run left, as in results/latest"
        )
    return folder.resolve()


def earlier(folder: Path) -> list[Path]:
    """Run folders of the same scenario beside this one that were started before it, newest first.

    Names begin with the time of the start, so they sort as the runs did.
    """
    scenario = folder.name.partition("-")[2].rstrip("0123456789").rstrip("-")
    beside = [path for path in folder.parent.glob(f"[0-9]*-{scenario}*") if _holds_run(path)]
    return sorted((path for path in beside if path.name < folder.name and not path.is_symlink()), reverse=True)


def _holds_run(folder: Path) -> bool:
    """Whether it does as far as this user may see: a container may have left folders of its own user."""
    try:
        return (folder / DATABASE).is_file()
    except OSError:
        return False
