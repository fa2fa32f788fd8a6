"""Against a backend on the npm package `ws`, which counts what it sees: both sides must have seen the same."""

import json
from pathlib import Path

import pytest
from both_sides import LIMIT, LOAD, assert_both_saw_the_same

LOCK = Path(__file__).with_name("backend") / "package-lock.json"


@pytest.mark.parametrize("compression", [(), ("--compression",)], ids=["uncompressed", "compressed"])
def test_in_the_clear(start_backend, run_against, compression):
    backend = start_backend(*LIMIT, *compression)
    run = run_against(backend.url, *LOAD)
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["compressed"] == (seen["connections"] if compression else 0)


def test_over_tls_of_a_private_authority(start_backend, run_against, authority):
    certificate = str(authority.certificate)
    backend = start_backend(*LIMIT, "--compression", "--cert", certificate, "--key", certificate)
    run = run_against(backend.url, *LOAD, *authority.trust)
    seen = backend.stop()
    assert_both_saw_the_same(run, seen)
    assert seen["compressed"] == seen["connections"]


@pytest.mark.parametrize("at", [(), ("--refuse-at-upgrade",)], ids=["by an event", "by HTTP 401"])
def test_a_wrong_secret_is_one_line(start_backend, run_against, at):
    backend = start_backend(*at)
    run = run_against(backend.url, *LOAD, LOADTEST_JWT_SECRET="another secret, as long as HS256 wants it")
    assert run.code == 2, run.output
    assert [line for line in run.output.splitlines() if "AUTH_FAILED" in line] == run.output.splitlines()
    assert "--jwt-secret" in run.output
    assert backend.stop()["authenticated"] == 0


def test_an_unknown_authority_is_one_line(start_backend, run_against, authority):
    certificate = str(authority.certificate)
    backend = start_backend("--cert", certificate, "--key", certificate)
    run = run_against(backend.url, *LOAD)
    assert run.code == 2, run.output
    assert len(run.output.splitlines()) == 1
    assert "--ca-file" in run.output
    assert backend.stop()["connections"] == 0


def test_the_lock_file_pins_content_and_names_no_registry():
    packages = json.loads(LOCK.read_text())["packages"]
    pinned = {name: package for name, package in packages.items() if name}
    assert "node_modules/ws" in pinned
    assert [name for name, package in pinned.items() if "resolved" in package or "integrity" not in package] == []
