"""A run against a backend that asks a model: `ttft_overhead` is what is its own. With a trace for each connection, and
with Locust's own OpenTelemetry beside it."""

import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import openai
import pytest
from locust_command import locust
from real_servers import behaving

pytestmark = pytest.mark.long

OWN_S = 0.04
"""What the backend does before it asks the model."""
RETRY_S = 0.03
"""How long it waits before it asks again."""


class Backend:
    """Delivers each message, then works, asks the model, and streams what comes; asks again after an error."""

    def __init__(self, model_url):
        self.model = openai.OpenAI(base_url=f"{model_url}/v1", api_key="none", max_retries=0)
        self.traces = []
        self.lock = threading.Lock()

    def __call__(self, connection):
        with self.lock:
            self.traces.append(connection.request.headers.get("traceparent"))
        connection.send(json.dumps({"type": "connection:authenticated"}))
        for raw in connection:
            threading.Thread(target=self.answer, args=(connection, json.loads(raw)), daemon=True).start()

    def answer(self, connection, message):
        ours = {"messageId": message["messageId"], "conversationId": message["conversationId"]}
        connection.send(json.dumps({"type": "message:ack", "status": "delivered"} | ours))
        time.sleep(OWN_S)
        stream = ours | {"messageId": f"ai-{message['messageId']}", "type": "message:stream"}
        text = ""
        for chunk in self.ask(message["content"]):
            delta = chunk.choices[0].delta.content
            if delta:
                text += delta
                connection.send(json.dumps(stream | {"content": text, "isComplete": False}))
        connection.send(json.dumps(stream | {"content": text, "isComplete": True}))

    def ask(self, content):
        prompt = [{"role": "system", "content": "be kind"}, {"role": "user", "content": f"The user says: {content}"}]
        while True:
            try:
                return self.model.chat.completions.create(model="gpt-x", messages=prompt, stream=True)
            except openai.RateLimitError:
                time.sleep(RETRY_S)


class Done:
    """One run that is over."""

    def __init__(self, folder):
        log = folder / "llm.jsonl"
        options = ("--ttft", "150ms", "--distribution", "exponential", "--gap", "1ms", "--tokens", "5")
        model = subprocess.Popen(
            [sys.executable, "-m", "loadtest", "mock-llm", "--port", "0", "--log", str(log), "--error", "429=20%",
             *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            url = model.stdout.readline().removeprefix("listening on ").strip()
            backend = Backend(url)
            with behaving(backend) as port:
                self.process = locust(
                    "--host", f"ws://127.0.0.1:{port}/ws", "-u", "5", "-r", "5", "-t", "3s", "--rate-limit", "none",
                    "--message-rate", "3/1s", "--arrivals", "constant", "--results", str(folder / "results"),
                    "--llm-log", str(log), "--traceparent", "--otel", "WithinLimitUser",
                    LOADTEST_JWT_SECRET="a secret of the tests, long enough for HS256",
                    OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="console",
                )  # fmt: skip
            backend.model.close()
        finally:
            model.terminate()
            self.farewell, _ = model.communicate(timeout=15)
        self.console, self.traces = self.process.stdout, backend.traces
        self.run = folder / "results" / "latest"
        self.summary = json.loads((self.run / "summary.json").read_text())

    def select(self, query):
        with closing(sqlite3.connect(self.run / "run.db")) as database:
            return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return Done(tmp_path_factory.mktemp("model"))


def test_the_overhead_is_what_the_backend_took_itself(done):
    metrics, seen = done.summary["metrics"], done.summary["seen"]
    assert done.summary["counts"]["streams_completed"] > 20, done.console
    assert seen["first_token_of_model"] == {"matched": done.summary["counts"]["streams_started"]}
    assert metrics["ttft_overhead"]["count"] == metrics["ttft"]["count"]
    assert metrics["ttft_overhead"]["min"] >= 1e3 * OWN_S
    assert metrics["ttft_overhead"]["mean"] < metrics["ttft"]["mean"]


def test_errors_of_the_model_are_shown_and_the_pauses_after_them_are_the_backends(done):
    requests = done.summary["seen"]["model_request"]
    assert requests["error 429"] > 0
    assert requests["complete"] == done.summary["counts"]["streams_completed"]
    assert done.summary["metrics"]["ttft_overhead"]["max"] >= 1e3 * (OWN_S + RETRY_S)
    assert "requests to the stand-in for the model:" in done.console
    assert f"{requests['complete']} complete, {requests['error 429']} error" in done.farewell


def test_the_run_keeps_what_it_needs_of_the_log(done):
    kept = [json.loads(line) for line in (done.run / "llm.jsonl").read_text().splitlines()]
    assert {line["messageId"] for line in kept if line["ended"] == "complete"} == {
        message_id for (message_id,) in done.select("SELECT message_id FROM messages")
    }
    assert all(line["ttft_ns"] >= line["planned_ttft_ns"] for line in kept if line["ended"] == "complete")


def test_each_connection_has_a_trace_of_its_own_which_the_report_shows_beside_slow_messages(done):
    sent = [re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-01", trace) for trace in done.traces]
    traces = dict(done.select("SELECT user, trace_id FROM connects WHERE outcome = 'ok'"))
    assert sorted(match[1] for match in sent) == sorted(traces.values())
    assert len({match[2] for match in sent}) == len(set(traces.values())) == len(sent)
    page = (done.run / "report.html").read_text()
    ((slowest,),) = done.select("SELECT user FROM messages ORDER BY first_content_ns - sent_ns DESC LIMIT 1")
    assert traces[slowest] in page
    assert traces["preflight"] not in page


def test_locusts_own_opentelemetry_goes_on_beside_it(done):
    assert "OpenTelemetry enabled" in done.console
    exported = json.loads(done.console[done.console.index('{\n    "resource_metrics"') :])
    (scope,) = exported["resource_metrics"][0]["scope_metrics"]
    durations, users = scope["metrics"]
    assert (durations["name"], users["name"]) == ("locust.client.duration", "locust.users.count")
    counts = {point["attributes"]["name"]: point["count"] for point in durations["data"]["data_points"]}
    assert counts["ack_delivered"] == done.summary["counts"]["delivered"]
    assert counts["ttft"] == done.summary["counts"]["streams_started"]
