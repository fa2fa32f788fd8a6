"""`--prometheus-port`: the run as it goes on, for Prometheus to scrape.

Names and definitions are those of the metric table, times in seconds as Prometheus wants them. Quantiles that are made
of its buckets are estimates; the run folder has the exact ones.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any, Final

import gevent.socket
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from loadtest.errors import UsageError
from loadtest.load.live import MEASURED, Buckets, Live
from loadtest.metrics import BY_KEY
from loadtest.model import Batch, RunInfo
from loadtest.settings import Address

PREFIX: Final = "loadtest_"
_TIMES: Final = tuple(BY_KEY[key] for key in MEASURED)


class Exporter(Collector):
    """Serves the numbers of the run under way, or of the last one.

    Args:
        address: where to listen; a port of 0 takes a free one.

    Attributes:
        url: what to scrape.

    Raises:
        UsageError: the address cannot be listened on.
    """

    def __init__(self, address: Address) -> None:
        self._live = Live()
        self._info: dict[str, str] = {}
        registry = CollectorRegistry()
        registry.register(self)
        listener = _listener(address)
        self._server = WSGIServer(listener, make_wsgi_app(registry), log=None, error_log=None)
        self._server.start()
        self.url = f"http://{Address(address.host, listener.getsockname()[1])}/metrics"

    def begin(self, info: RunInfo) -> None:
        """A run begins: all counts start at 0, which Prometheus takes for a restart."""
        self._live = Live()
        labels: dict[str, str] = {}
        for key, value in info.labels.items():
            labels.setdefault(f"label_{re.sub('[^A-Za-z0-9_]', '_', key)}", value)
        self._info = {"scenario": info.scenario, "host": info.host, "started": info.started_utc} | labels

    def see(self, batch: Batch) -> None:
        """Count a batch in."""
        self._live.see(batch)

    def close(self) -> None:
        self._server.stop()

    def collect(self) -> Iterator[Metric]:
        """Everything, as Prometheus' client library asks for it."""
        yield InfoMetricFamily(f"{PREFIX}run", "The run under way, or the last one", value=self._info)
        yield from self._latencies()
        yield from self._outcomes()
        yield from self._health()

    def _latencies(self) -> Iterator[Metric]:
        for metric in _TIMES:
            family = HistogramMetricFamily(
                f"{PREFIX}{metric.key}_seconds", metric.definition, labels=["user_class", "population"]
            )
            for (key, *who), buckets in self._live.latencies.items():
                if key == metric.key:
                    family.add_metric(who, _as_text(buckets), buckets.sum_s)
            yield family

    def _outcomes(self) -> Iterator[Metric]:
        live = self._live
        messages = CounterMetricFamily(
            f"{PREFIX}messages", "Messages by their one outcome", labels=["outcome", "user_class", "population"]
        )
        for names, number in live.messages.items():
            messages.add_metric(names, number)
        streams = CounterMetricFamily(
            f"{PREFIX}streams", "AI answers by how they ended", labels=["state", "user_class"]
        )
        for state, number in live.streams.items():
            streams.add_metric(state, number)
        logins = CounterMetricFamily(
            f"{PREFIX}logins", "Exchanges with the login endpoint", labels=["outcome", "refresh"]
        )
        for (outcome, refresh), number in live.logins.items():
            logins.add_metric([outcome, str(refresh).lower()], number)
        connects = CounterMetricFamily(f"{PREFIX}connects", "Attempts to connect", labels=["outcome", "reconnect"])
        for (outcome, reconnect), number in live.connects.items():
            connects.add_metric([outcome, str(reconnect).lower()], number)
        ends = CounterMetricFamily(f"{PREFIX}disconnects", "Ends of connections", labels=["code", "by"])
        for (code, by), number in live.disconnects.items():
            ends.add_metric([str(code), by], number)
        outages = CounterMetricFamily(f"{PREFIX}outages", "Outages by how they ended", labels=["ended"])
        for ended, number in live.outages.items():
            outages.add_metric([ended], number)
        counters = CounterMetricFamily(
            f"{PREFIX}events", "Counters of the run, as in its summary, added up over their keys", labels=["name"]
        )
        for name, number in live.counters.items():
            counters.add_metric([name], number)
        yield from (messages, streams, logins, connects, ends, outages, counters)

    def _health(self) -> Iterator[Metric]:
        gauges = {
            "users": "Virtual users",
            "connections": "Authenticated connections",
            "generator_cpu_share": "CPU of a generator's process, of one core",
            "generator_loop_lag_seconds": "Largest lag of the event loop in the newest sample",
            "generator_send_lag_seconds": "Largest send lag in the newest sample",
        }
        families = {name: GaugeMetricFamily(PREFIX + name, text, labels=["process"]) for name, text in gauges.items()}
        for process, sample in self._live.health.items():
            families["users"].add_metric([process], sample.users)
            families["connections"].add_metric([process], sample.connections)
            families["generator_cpu_share"].add_metric([process], sample.cpu_ns / sample.interval_ns)
            families["generator_loop_lag_seconds"].add_metric([process], sample.loop_lag_ns / 1e9)
            families["generator_send_lag_seconds"].add_metric([process], sample.send_lag_ns / 1e9)
        yield from families.values()


def _listener(address: Address) -> Any:
    listener = gevent.socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UsageError(
            f"--prometheus-port: cannot listen on {address} ({error.strerror or error}); choose another port"
        ) from None
    return listener


def _as_text(buckets: Buckets) -> list[tuple[str, float]]:
    return [("+Inf" if bound == float("inf") else repr(bound), total) for bound, total in buckets.cumulative()]
