"""A run on a reference server, waited for to its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtest.experiment.run import Load, under_way
from loadtest.experiment.server import reference_server


@contextmanager
def finished(server: Sequence[str], options: Sequence[str] = (), **load: Any) -> Iterator[Path]:
    """Run a load, and give the folder of the run, which is gone once the block is left.

    Args:
        server: options of `loadtest serve`.
        options: of the run.
        load: the other fields of `Load`, but host and secrets.

    Raises:
        SystemExit: the run left no summary; with the end of what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="finished-") as scratch, reference_server(server) as backend:
        results, console = Path(scratch, "results"), Path(scratch, "console.log")
        secrets = {"LOADTEST_JWT_SECRET": backend.jwt_secret}
        placed = Load(host=backend.url, options=("--results", str(results), *options), secrets=secrets, **load)
        with console.open("wb") as out, under_way(placed, out) as process:
            process.wait()
        folder = results / "latest"
        if not (folder / "summary.json").exists():
            raise SystemExit(f"the run left no summary:\n{console.read_text(errors='replace')[-2000:]}")
        yield folder
