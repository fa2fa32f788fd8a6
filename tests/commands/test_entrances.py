"""A run that loses messages, by its three entrances: its objectives decide, or at one of them Locust's own rule."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHAT = Path(__file__).parents[2] / "locustfiles" / "chat.py"
LOAD = ("-u", "5", "-r", "5", "-t", "6s", "--warmup", "1s", "--message-rate", "30/60s", "--rate-limit", "none",
        "--reply-timeout", "1s", "--slo", "delivered_ratio > 5%", "WithinLimitUser")  # fmt: skip


@pytest.mark.long
def test_a_met_objective_is_0_by_run_and_by_gate_and_failed_requests_are_1_by_locust_alone(
    start_reference_server, tmp_path
):
    server = start_reference_server("--no-ai", "--rate-limit", "none", "--fault", "ack-drop:every=10")

    def code(module, *words):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env=clean | {"LOADTEST_JWT_SECRET": server.secret, "LOADTEST_RESULTS": str(tmp_path / module)},
            stdin=subprocess.DEVNULL,
            check=False,
            start_new_session=True,
        ).returncode

    assert code("loadtest", "run", "--host", server.url, *LOAD) == 0
    assert code("loadtest", "gate", str(tmp_path / "loadtest" / "latest")) == 0
    assert code("locust", "-f", str(CHAT), "--headless", "--host", server.url, *LOAD) == 1
