"""`loadtest mock-llm`: what it prints, how it ends, and what it says about what cannot work."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest
from click.testing import CliRunner

from loadtest.cli import cli

MOCK = [sys.executable, "-m", "loadtest", "mock-llm"]


def test_it_prints_what_to_paste_answers_and_sums_up_when_interrupted(tmp_path):
    log = tmp_path / "llm.jsonl"
    words = [*MOCK, "--port", "0", "--ttft", "1ms", "--gap", "0", "--log", str(log)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as it:
        try:
            address, *exports, run = [it.stdout.readline().strip() for _ in range(4)]
            url = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)", address)[1]
            assert exports == [f"export ANTHROPIC_BASE_URL={url}", f"export OPENAI_BASE_URL={url}/v1"]
            assert run == f"loadtest run --llm-log {log} ... measures ttft_overhead"
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            urllib.request.urlopen(f"{url}/v1/chat/completions", json.dumps(body).encode()).close()
        finally:
            it.send_signal(signal.SIGINT)
            said, complaints = it.communicate(timeout=15)
    assert (it.returncode, complaints) == (0, "")
    assert re.fullmatch(r"stopped: 1 requests: 1 complete; tokens late by at most [\d.]+ ms, p99 [\d.]+ ms\n", said)
    assert json.loads(log.read_text())["ended"] == "complete"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--error", "404=1%"], "'404=1%' is no error: give 429, 500, 529, cut and a share"),
        (
            ["--error", "429=60%", "--error", "500=60%"],
            "--error: the shares add up to more than 100 %; give less of each",
        ),
        (["--port", "0", "--log", "/nowhere/llm.jsonl"], "--log: '/nowhere/llm.jsonl' cannot be written (No such file"),
        (["--ttft", "soon"], "'soon'"),
    ],
)
def test_what_cannot_work_is_said_in_a_line(words, complaint):
    result = CliRunner().invoke(cli, ["mock-llm", *words])
    assert result.exit_code == 2
    assert complaint in result.output.replace("\n", " ")


def test_a_port_that_is_taken_is_said_and_the_log_of_its_owner_left_alone(tmp_path):
    log = tmp_path / "llm.jsonl"
    log.write_text("of another\n")
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(cli, ["mock-llm", "--port", str(port), "--log", str(log)])
    assert result.exit_code == 2
    assert "--listen, --port: cannot be listened on (Address already in use)" in result.output
    assert log.read_text() == "of another\n"


def test_without_aiohttp_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "loadtest.standin.server", raising=False)
    result = CliRunner().invoke(cli, ["mock-llm"])
    assert str(result.exception).endswith("which is not installed: pip install 'chat-loadtest[mock-llm]'")
