"""How 500 users come back when the server cuts them all, and when it is restarted. Run: python -m benchmarks.recovery

Two runs against the reference server: one that cuts every connection without a close frame, and one whose server
`--outage-command` restarts. Prints the rows of `outages`, the ledger and what the schedule allowed; `--json FILE` keeps
them, `--pictures FOLDER` their `recovery.png`. Exits with 1 where an outage has no row, a message no outcome, or
somebody never came back. Some three minutes.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.finished import finished
from benchmarks.machine import machine
from loadtest.analysis.values import Summary
from loadtest.report.recovery_notes import recovery_notes

LOST_S = 20
"""When the connections go, seconds from the start of the server and of the run: all are there by then."""
RUN_S = 60
ROWS = "SELECT cause, ended, count(*), sum(lost), sum(queued), sum(dropped), sum(rejected) FROM outages GROUP BY 1, 2"
COLUMNS = ("cause", "ended", "outages", "lost", "queued", "dropped", "rejected")


def cut(users: int, picture: Path | None) -> dict[str, Any]:
    """All connections cut by the server at once."""
    return outage(users, ("--fault", f"cut-all:1006,at={LOST_S}s"), (), picture)


def restart(users: int, picture: Path | None) -> dict[str, Any]:
    """A server that `--outage-command` restarts, and that nobody reaches for two seconds."""
    port = free_port()
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/faults', b'restart:2s').read()"
    command = shlex.join([sys.executable, "-c", code])
    options = ("--outage-command", command, "--outage-at", f"{LOST_S}s")
    return outage(users, ("--control-port", str(port)), options, picture)


KINDS = {"cut": cut, "restart": restart}


def outage(users: int, server: Sequence[str], options: Sequence[str], picture: Path | None) -> dict[str, Any]:
    """One run, and what it says of its outage."""
    load = {"users": users, "spawn_rate": users / 5, "run_time": RUN_S, "locustfile": "reconnect"}
    with finished(("--no-ai", *server), ("--expect-stream", "no", *options), classes=["SteadyUser"], **load) as folder:
        if picture is not None:
            shutil.copyfile(folder / "recovery.png", picture)
        return found(folder)


def found(folder: Path) -> dict[str, Any]:
    """The rows of outages by cause and end, the ledger, and what the summary says of the return."""
    summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    with closing(sqlite3.connect(folder / "run.db")) as db:
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in db.execute(ROWS)]
    ledger = ("sent", "delivered", "rejected", "error", "timeout", "lost", "dropped", "unfinished", "unaccounted")
    return {
        "verdict": summary.verdict,
        "outages": rows,
        "ledger": {name: summary.counts[name] for name in ledger},
        "recovery": summary.recovery,
        "ms": {key: summary.metrics[key] for key in ("outage", "backoff", "reconnect", "recovery", "queue_flush")},
    }


def complete(users: int, figures: Mapping[str, Any]) -> bool:
    """Whether each user has its row, each message its outcome, and everybody came back."""
    rows, ledger = figures["outages"], figures["ledger"]
    all_back = all(row["ended"] == "recovered" for row in rows)
    return all_back and sum(row["outages"] for row in rows) == users and ledger["unaccounted"] == 0


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep recovery-KIND.png there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    figures: dict[str, Any] = {"machine": machine()}
    sound = True
    for kind in options.only:
        picture = options.pictures / f"recovery-{kind}.png" if options.pictures else None
        own = figures[kind] = KINDS[kind](options.users, picture)
        sound = sound and complete(options.users, own)
        print(f"{kind}: run {own['verdict'].status}")
        for row in own["outages"]:
            print("  " + ", ".join(f"{name} {value}" for name, value in row.items()))
        print("  " + ", ".join(f"{name} {count}" for name, count in own["ledger"].items()))
        print(*(f"  {line}" for line in recovery_notes(own["recovery"])), sep="\n", flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
