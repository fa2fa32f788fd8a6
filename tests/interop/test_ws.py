"""Against a backend on the npm package `ws`, which counts what it sees: both sides must have seen the same."""

import json
from pathlib import Path

import pytest

ROOMS = str(Path(__file__).with_name("rooms.py"))
LOCK = Path(__file__).with_name("backend") / "package-lock.json"
REGISTRY = "https://registry.npmjs.org/"
LIMIT = ("--limit", "4", "--window-ms", "1000")
LOAD = (
    *("-u", "24", "-r", "24", "-t", "2s", "--warmup", "0"),
    *("--rate-limit", "4/1s", "--message-rate", "3/1s", "-f", ROOMS),
)


def assert_both_saw_the_same(run, seen):
    """`seen` is what the backend counted."""
    assert run.code == (3 if run.summary["verdict"]["status"] == "invalid" else 0), run.output
    counts = run.counts
    assert seen["messages"] > 30
    assert seen["rejected"] > 3
    assert seen["typing"] > 10
    assert {
        "messages": counts["delivered"],
        "rejected": counts["rejected"],
        "completed": counts["streams_completed"],
        "frames": counts["frames_received"],
        "connections": counts["connects"],
        "authenticated": counts["connects"],
    }.items() <= seen.items()
    assert counts["sent"] == seen["messages"] + seen["rejected"]
    for never in ("unaccounted", "unknown_events", "stream_violations", "rejected_within_limit", "outages"):
        assert counts[never] == 0, never


@pytest.mark.parametrize("compression", [(), ("--compression",)], ids=["uncompressed", "compressed"])
def test_in_the_clear(start_backend, run_against, compression):
    backend = start_backend(*LIMIT, *compression)
    run = run_against(backend.url, *LOAD)
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["compressed"] == (seen["connections"] if compression else 0)


@pytest.mark.parametrize("compression", [(), ("--compression",)], ids=["uncompressed", "compressed"])
def test_over_tls_of_a_private_authority(start_backend, run_against, authority, compression):
    certificate = str(authority.certificate)
    backend = start_backend(*LIMIT, *compression, "--cert", certificate, "--key", certificate)
    run = run_against(backend.url, *LOAD, "--ca-file", str(authority.file))
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["compressed"] == (seen["connections"] if compression else 0)


def test_no_compression_where_it_is_not_wanted(start_backend, run_against):
    backend = start_backend(*LIMIT, "--compression")
    run = run_against(backend.url, *LOAD, "--no-compression")
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["compressed"] == 0


@pytest.mark.parametrize("at", [(), ("--refuse-at-upgrade",)], ids=["by an event", "by HTTP 401"])
def test_a_wrong_secret_is_one_line(start_backend, run_against, at):
    backend = start_backend(*at)
    run = run_against(backend.url, *LOAD, LOADTEST_JWT_SECRET="another secret, as long as HS256 wants it")
    assert run.code == 2
    assert [line for line in run.output.splitlines() if "AUTH_FAILED" in line] == run.output.splitlines()
    assert "--jwt-secret" in run.output
    assert backend.stop()["authenticated"] == 0


def test_an_unknown_authority_is_one_line(start_backend, run_against, authority):
    certificate = str(authority.certificate)
    backend = start_backend("--cert", certificate, "--key", certificate)
    run = run_against(backend.url, *LOAD)
    assert run.code == 2
    assert len(run.output.splitlines()) == 1
    assert "TLS" in run.output
    assert backend.stop()["connections"] == 0


def test_the_lock_file_names_the_public_registry_alone():
    packages = json.loads(LOCK.read_text())["packages"]
    resolved = {name: package["resolved"] for name, package in packages.items() if name}
    assert "node_modules/ws" in resolved
    assert {name for name, url in resolved.items() if not url.startswith(REGISTRY)} == set()
