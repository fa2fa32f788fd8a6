"""`locustfiles/streaming.py` as it stands: short and long prompts, shared conversations, and people who leave."""

from pathlib import Path

import pytest
from locust_command import LocustRun

pytestmark = pytest.mark.long

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "streaming.py"
LOAD = (
    "--headless", "--only-summary", "-u", "24", "-r", "24", "-t", "6s", "--rate-limit", "none",
    "--message-rate", "2/1s", "--loss-every", "1s", "--reply-timeout", "3s",
)  # fmt: skip
BEHAVIOURS = {"LeavingUser", "LongPromptUser", "SharedConversationUser", "ShortPromptUser"}


def test_answers_of_all_its_users_are_whole_but_for_those_that_were_left(start_reference_server, tmp_path):
    server = start_reference_server("--rate-limit", "none", "--ttft", "50ms", "--gap", "40ms", "--chunks", "10")
    run = LocustRun(server, tmp_path / "results", *LOAD, locustfile=LOCUSTFILE)
    try:
        run.end()
        summary = run.summary
    finally:
        run.kill()
    counts, by_class = summary["counts"], summary["by_class"]
    assert (counts["unaccounted"], counts["stream_violations"], counts["streams_missing"]) == (0, 0, 0), run.output
    assert set(by_class) == BEHAVIOURS
    for behaviour in BEHAVIOURS:
        assert by_class[behaviour]["counts"]["streams_completed"] > 0, behaviour
    interrupted = {behaviour: by_class[behaviour]["counts"]["streams_interrupted"] for behaviour in BEHAVIOURS}
    assert interrupted["LeavingUser"] > 0
    assert sum(interrupted.values()) == interrupted["LeavingUser"]
    assert summary["metrics"]["amplification"]["p50"] > 2
    assert "streams: " in run.output
