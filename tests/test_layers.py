"""Arrows of import run one way: README, Architecture."""

import ast
import sys
from pathlib import Path

import pytest

import loadtest

PACKAGE = Path(loadtest.__file__).parent
OWN_BASE = {"protocol", "model", "metrics", "errors", "settings", "histogram", "objectives", "open_files", "garbage"}
OUTSIDE = {"asyncio", "os", "random", "selectors", "socket", "sqlite3", "subprocess", "threading", "time"}
"""Standard modules that reach out of the process or read a clock: not for what is pure."""
MACHINE = "process_group"
"""Ends what runs on this machine: for those who start it."""

MAY_IMPORT = {
    # part: (parts of ours beside the base, forbidden outside modules)
    "client": (set(), {"locust", "sqlite3", "click", "matplotlib", "asyncio"}),
    "load": ({"client", "runs", MACHINE}, {"click", "matplotlib", "scipy", "rich", "jinja2", "asyncio"}),
    "server": (set(), {"locust", "gevent", "click", "sqlite3"}),
    "standin": ({"server"}, {"locust", "gevent", "click", "sqlite3", "websockets"}),
    "runs": (set(), {"locust", "gevent", "websockets", "click", "matplotlib", "scipy"}),
    "analysis": ({"runs"}, {"locust", "gevent", "websockets", "click", "matplotlib", "rich"}),
    "report": ({"analysis"}, {"locust", "gevent", "websockets", "click", "sqlite3", "scipy"}),
    # `load` for its options, tokens and explanations alone, which are the run's: never for Locust
    "conformance": ({"client", "load", "analysis"}, {"locust", "sqlite3", "click", "matplotlib", "asyncio"}),
    "experiment": ({"runs", "analysis", MACHINE}, {"locust", "gevent", "websockets", "click", "rich", "matplotlib"}),
    "commands": ({"server", "standin", "runs", "analysis", "report", "experiment"}, {"locust", "gevent"}),
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "loadtest." + ".".join(path.relative_to(PACKAGE).parts[:-1]) if node.level else ""
            yield ".".join(filter(None, (prefix, node.module)))


def modules(part):
    return sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_it_may(part):
    allowed, forbidden = MAY_IMPORT[part]
    assert modules(part)
    for path in modules(part):
        for name in imported(path):
            parts = name.split(".")
            assert parts[0] not in forbidden, f"{path.name} imports {name}"
            if parts[0] == "loadtest" and len(parts) > 1:
                assert parts[1] in allowed | OWN_BASE | {part}, f"{path.name} imports {name}"


@pytest.mark.parametrize("module", sorted(OWN_BASE))
def test_the_base_knows_nothing_above_it(module):
    paths = modules(module) or [PACKAGE / f"{module}.py"]
    for name in [name for path in paths for name in imported(path)]:
        parts = name.split(".")
        assert parts[0] in {"loadtest", "msgspec", "numpy"} | sys.stdlib_module_names - OUTSIDE, name
        assert parts[0] != "loadtest" or parts[1] in OWN_BASE


def test_what_ends_processes_knows_nothing_of_ours():
    names = {name.split(".")[0] for name in imported(PACKAGE / f"{MACHINE}.py")}
    assert names <= sys.stdlib_module_names | {"psutil"}


CORE = (
    "session", "dialect", "invalid", "ledger", "message", "correlation", "stream", "followed", "recent", "stamps",
    "expectation", "tally", "offline_queue", "outage", "membership", "room", "flush", "pings",
    "attendance", "endings", "streams", "absences",
)  # fmt: skip


@pytest.mark.parametrize("module", CORE)
def test_the_client_core_knows_no_socket_clock_or_event_loop(module):
    names = {name.split(".")[0] for name in imported(PACKAGE / "client" / f"{module}.py")}
    assert names.isdisjoint({"gevent", "socket", "time", "ssl", "random", "websockets"})


def test_locust_is_imported_in_load_alone():
    importers = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "locust" for name in imported(path))
    }
    assert importers <= {"load"}
