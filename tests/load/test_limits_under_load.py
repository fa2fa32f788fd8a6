"""Rate limit, tokens and invalid messages under load: a server that keeps its promises, and one that is told not to."""

from pathlib import Path

import pytest
from locust_command import LocustRun

pytestmark = pytest.mark.long

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "rate_limit.py"
# Polite users need most of 11 s: a limit of 4 s that is used up in a period of theirs, and another period after it
LOAD = (
    "--headless", "--only-summary", "-u", "30", "-r", "30", "-t", "11s", "--rate-limit", "10/4s", "--warmup", "1s",
    "--message-rate", "6/4s", "--reply-timeout", "2s", "--invalid-share", "5%", "--bad-tokens", "10%",
    "--abuse-period", "1s", "--above-factor", "6",
)  # fmt: skip
SERVER = ("--rate-limit", "10/4s", "--ttft", "20ms", "--gap", "2ms", "--chunks", "5")


@pytest.fixture
def load(start_reference_server, tmp_path):
    """One run; gives the run and what the server counted."""
    runs = []

    def loaded(*wrong, users=()):
        server = start_reference_server(*SERVER, *wrong)
        runs.append(LocustRun(server, tmp_path / "results", *LOAD, *users, locustfile=LOCUSTFILE))
        runs[0].end()
        return runs[0], server.stop()

    yield loaded
    for each in runs:
        each.kill()


def test_a_server_that_keeps_its_promises_has_no_findings(load):
    run, truth = load()
    summary, counts = run.summary, run.summary["counts"]
    assert (counts["limit_leaks"], counts["false_rejections"], counts["unaccounted"]) == (0, 0, 0), run.output
    assert counts["rejected"] == truth["rejected"] > 10
    assert summary["by_class"]["PoliteUser"]["metrics"]["retry_after_error"]["count"] > 0
    assert counts["rejected_within_limit"] == 0
    # tokens
    assert counts["intruders"] == counts["intruders_refused"] == truth["auth_required"] + truth["auth_failed"] > 3
    assert (counts["intruders_admitted"], counts["auth_failures"]) == (0, 0)
    assert summary["metrics"]["refusal"]["count"] == counts["intruders"]
    # messages
    assert counts["invalid"] > 10
    assert counts["invalid_admitted"] == 0
    assert summary["metrics"]["ack_delivered"]["unanswered"] == 0, "what is invalid spoils no headline"
    # what counts, and what a reconnect does
    assert summary["seen"]["limit_probe"] == {
        "a reconnect: the window survives": 1,
        "invalid messages: do not count": 1,
        "rejected messages: do not count": 1,
        "typing events: do not count": 1,
    }
    assert summary["isolation"]["pairs"] >= 2
    assert "retry-after error" in run.output
    assert "bad tokens: " in run.output


def test_what_counts_elsewhere_is_found_to_count(load):
    run, _ = load(
        "--limit-counts", "invalid", "--limit-counts", "typing", "--limit-counts", "rejected",
        "--limit-scope", "connection", users=("-u", "4", "ProbingUser"),
    )  # fmt: skip
    assert run.summary["seen"]["limit_probe"] == {
        "a reconnect: the window starts anew": 1,
        "invalid messages: count": 1,
        "rejected messages: count": 1,
        "typing events: count": 1,
    }, run.output


def test_what_a_server_is_told_to_do_wrong_is_found_and_told(load):
    run, truth = load("--fault", "limit-leak:every=4", "--fault", "auth-let-in:every=4")
    counts, ordered = run.summary["counts"], truth["faults"]
    assert counts["intruders_admitted"] == ordered["auth-let-in"] > 0, run.output
    # beyond those that lie at an edge, where nobody can tell
    assert counts["limit_leaks"] <= ordered["limit-leak"] <= counts["limit_leaks"] + counts["limit_ambiguous"]
    assert counts["limit_leaks"] > 0
    assert any(notice.startswith("ALARM: the server let in") for notice in run.summary["notices"])
    assert "LET IN with a bad token" in run.output
