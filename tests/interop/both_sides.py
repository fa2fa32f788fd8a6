"""One load, and what the two sides counted of it."""

from pathlib import Path

ROOMS = str(Path(__file__).with_name("rooms.py"))
LIMIT = ("--limit", "4", "--window-ms", "1000")
LOAD = (
    *("-u", "24", "-r", "24", "-t", "2s", "--warmup", "0"),
    *("--rate-limit", "4/1s", "--message-rate", "3/1s", "-f", ROOMS),
)


def assert_ended_as_its_verdict_says(run):
    """A run that had to share its cores may be invalid, and says so by 3."""
    assert run.code == (3 if run.summary["verdict"]["status"] == "invalid" else 0), run.output


def assert_both_saw_the_same(run, seen):
    """`seen` is what the backend counted."""
    assert_ended_as_its_verdict_says(run)
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
