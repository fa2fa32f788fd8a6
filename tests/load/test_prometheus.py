"""The numbers of a run as Prometheus scrapes them."""

import json
import re
import urllib.request
from pathlib import Path

import gevent
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from staged_run import info

from loadtest import histogram
from loadtest.errors import UsageError
from loadtest.load.live import MEASURED, Live
from loadtest.load.prometheus import Exporter
from loadtest.model import (
    Batch,
    Connect,
    Count,
    Counts,
    Disconnect,
    Health,
    Login,
    Message,
    Outage,
    Outcome,
    Population,
    StreamState,
)
from loadtest.settings import Address

DASHBOARD = Path(__file__).parents[2] / "examples" / "grafana" / "loadtest.json"
MS, SECOND = 1_000_000, 1_000_000_000
WHO = {"user_class": "WithinLimitUser", "population": "headline"}


def message(id_, outcome, **fields):
    base = ("load-0", "WithinLimitUser", Population.HEADLINE, "conv-0", id_)
    return Message(*base, intended_ns=SECOND, sent_ns=SECOND + MS, outcome=outcome, **fields)


BATCH = Batch(
    "local",
    0,
    messages=[
        message(
            "m-1", Outcome.DELIVERED, received_ns=SECOND + 4 * MS, delivered_ns=SECOND + 8 * MS,
            stream_state=StreamState.COMPLETED, first_content_ns=SECOND + 401 * MS, completed_ns=SECOND + 1_201 * MS,
        ),
        message("m-2", Outcome.REJECTED, refused_ns=SECOND + 3 * MS),
        message("m-3", Outcome.TIMEOUT),
    ],
    logins=[
        Login("load-0", 0, 20 * MS, "ok"), Login("load-1", 0, 40 * MS, "http 500"),
        Login("load-0", SECOND, SECOND + 3 * MS, "ok", refresh=True),
    ],
    connects=[Connect("load-0", "WithinLimitUser", 0, "ok", authenticated_ns=30 * MS)],
    disconnects=[Disconnect("load-0", "WithinLimitUser", 5 * SECOND, 1000, "", "client", 2 * MS)],
    outages=[Outage("load-0", "WithinLimitUser", SECOND, 1006, "", False, 1, 2 * SECOND, 3 * SECOND)],
    histograms=[
        Counts("inter_chunk", Population.HEADLINE, 0, SECOND, *histogram.pack(np.array([30 * MS, 30 * MS, 70 * MS])))
    ],
    health=[Health("local", SECOND, SECOND // 4, 3, 2, 100, 50 * MS, 2 * MS, 0, MS, MS)],
    counters=[Count("frames_received", "", 12), Count("unknown_events", "a", 2), Count("unknown_events", "b", 1)],
)  # fmt: skip


def fetched(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def scraped():
    exporter = Exporter(Address("127.0.0.1", 0))
    try:
        exporter.see(BATCH)
        with gevent.Timeout(10):
            text = gevent.get_hub().threadpool.apply(fetched, (exporter.url,))
    finally:
        exporter.close()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(scraped, name, /, **labels):
    return scraped[f"loadtest_{name}", frozenset(labels.items())]


def test_latencies_are_histograms_in_seconds_and_the_unanswered_rank_above_every_bound(scraped):
    assert value(scraped, "ack_delivered_seconds_bucket", le="0.005", **WHO) == 0
    assert value(scraped, "ack_delivered_seconds_bucket", le="0.01", **WHO) == 1
    assert value(scraped, "ack_delivered_seconds_bucket", le="60.0", **WHO) == 1
    assert value(scraped, "ack_delivered_seconds_bucket", le="+Inf", **WHO) == 2
    assert value(scraped, "ack_delivered_seconds_sum", **WHO) == pytest.approx(0.007)
    assert value(scraped, "ttft_seconds_bucket", le="0.5", **WHO) == 1
    assert value(scraped, "ttft_seconds_count", **WHO) == 2
    assert value(scraped, "reject_seconds_count", **WHO) == 1


def test_samples_of_frames_come_from_the_counts(scraped):
    who = {"user_class": "", "population": "headline"}
    assert value(scraped, "inter_chunk_seconds_bucket", le="0.05", **who) == 2
    assert value(scraped, "inter_chunk_seconds_count", **who) == 3


def test_outcomes_connections_and_counters(scraped):
    assert value(scraped, "messages_total", outcome="timeout", **WHO) == 1
    assert value(scraped, "streams_total", state="completed", user_class="WithinLimitUser") == 1
    assert value(scraped, "connects_total", outcome="ok", reconnect="false") == 1
    assert value(scraped, "disconnects_total", code="1000", by="client") == 1
    assert value(scraped, "outages_total", ended="recovered") == 1
    assert value(scraped, "events_total", name="unknown_events") == 3


def test_logins_count_by_outcome_and_take_time_where_they_succeed(scraped):
    assert value(scraped, "logins_total", outcome="http 500", refresh="false") == 1
    assert value(scraped, "logins_total", outcome="ok", refresh="true") == 1
    assert value(scraped, "login_seconds_count", user_class="", population="") == 2
    assert value(scraped, "login_seconds_sum", user_class="", population="") == pytest.approx(0.023)


def test_the_generator_itself(scraped):
    assert value(scraped, "users", process="local") == 3
    assert value(scraped, "generator_cpu_share", process="local") == pytest.approx(0.2)


def test_a_run_begins_at_nothing():
    exporter = Exporter(Address("127.0.0.1", 0))
    exporter.see(BATCH)
    exporter.begin(info())
    samples = [sample for family in exporter.collect() for sample in family.samples]
    exporter.close()
    assert [(sample.name, sample.labels["host"]) for sample in samples] == [
        ("loadtest_run_info", "ws://127.0.0.1:5000/ws")
    ]


def test_keys_of_labels_are_made_names_of_prometheus_and_each_is_there_once():
    exporter = Exporter(Address("127.0.0.1", 0))
    exporter.begin(info(labels={"build-id": "9f3c1", "ü": "first", "ö": "second"}))
    (sample,) = [sample for family in exporter.collect() for sample in family.samples]
    exporter.close()
    labels = {name: value for name, value in sample.labels.items() if name.startswith("label_")}
    assert labels == {"label_build_id": "9f3c1", "label__": "first"}


def test_a_worker_that_is_gone_holds_no_users():
    def seen(process, at_s):
        return Batch(process, 0, health=[Health(process, at_s * SECOND, SECOND, 3, 2, 100, 0, 0, 0, 0, 0)])

    live = Live()
    for batch in (seen("worker-1", 10), seen("worker-2", 10), seen("worker-1", 25)):
        live.see(batch)
    assert set(live.health) == {"worker-1", "worker-2"}
    live.see(seen("worker-1", 26))
    assert set(live.health) == {"worker-1"}


def test_a_port_in_use_is_said_in_one_line():
    exporter = Exporter(Address("127.0.0.1", 0))
    taken = int(exporter.url.rsplit(":", 1)[1].split("/")[0])
    try:
        with pytest.raises(UsageError, match=f"^--prometheus-port: cannot listen on 127.0.0.1:{taken} .*another port$"):
            Exporter(Address("127.0.0.1", taken))
    finally:
        exporter.close()


def test_every_metric_that_is_exposed_is_fed():
    live = Live()
    live.see(BATCH)
    frames = {"ping_rtt", "receive_lag", "loop_lag", "gap_bound"}  # histograms of a batch, as inter_chunk is
    assert {key for key, *_ in live.latencies} | frames == set(MEASURED)


def test_a_panel_has_one_unit_on_an_axis():
    (panel,) = [each for each in json.loads(DASHBOARD.read_text())["panels"] if "recovery" in each["title"]]
    (override,) = panel["fieldConfig"]["overrides"]
    assert override["matcher"]["options"] in [target["legendFormat"] for target in panel["targets"]]
    assert {each["id"]: each["value"] for each in override["properties"]} == {
        "unit": "s", "custom.axisPlacement": "right"
    }  # fmt: skip


def test_the_dashboard_asks_for_names_that_are_exposed(scraped):
    exposed = {name for name, _ in scraped} | {f"loadtest_{key}_seconds_bucket" for key in MEASURED}
    asked = {
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"loadtest_\w+", target["expr"])
    }
    assert len(asked) > 10
    assert asked <= exposed | {"loadtest_run_info"}
