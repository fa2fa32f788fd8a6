"""The numbers of rooms in a summary: a message at twenty members is one sample for what a percentile takes."""

import numpy as np
import pytest
from staged_run import MS, START, STEADY_S, answered, batch, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.slo.values import Decision
from loadtest.analysis.summary import summarize
from loadtest.model import Receipts, Stay
from loadtest.objectives import objective
from loadtest.runs.reader import RunReader

MEMBERS = 19
MESSAGES = 25
QUICK = 15
"""Of them, at all members 5 ms after they were sent; the others 50 ms after."""


def receipts(number, sent_ns):
    took = (5 if number < QUICK else 50) * MS
    clients = np.arange(1, MEMBERS + 1, dtype="<u4")
    orders = np.full(MEMBERS, number, "<u4")
    at = np.full(MEMBERS, sent_ns + took, "<i8")
    return Receipts(
        "message:receive", "conv-0", f"msg-{number}", None, 7, clients.tobytes(), orders.tobytes(), at.tobytes()
    )


@pytest.fixture
def summary(tmp_path):
    messages = [answered(n, STEADY_S + n, 2, client=0, digest=7) for n in range(MESSAGES)]
    made = batch(
        messages,
        receipts=[receipts(n, message.sent_ns) for n, message in enumerate(messages)],
        stays=[Stay(client, f"m{client}", "conv-0", START, START + 82_000 * MS) for client in range(1, MEMBERS + 1)],
    )
    with RunReader(stage(tmp_path, [made])) as run:
        return summarize(Measured(load(run)), [objective("fanout.p95 < 100ms")])


def test_a_percentile_takes_so_many_messages_and_not_receipts(summary):
    fanout = summary.metrics["fanout"]
    assert (fanout.count, fanout.independent) == (475, 25)
    assert (fanout.p50, fanout.p90, fanout.ci95["p90"]) == (5.0, None, None)
    assert fanout.withheld == {"p90": 36, "p95": 72, "p99": 368, "p99_9": 3_688}


def test_intervals_are_as_wide_as_for_so_many_messages(summary):
    """Of 475 samples the interval of the median would end at 5 ms: 60 % are as quick, give or take 4 %."""
    assert summary.metrics["fanout"].ci95["p50"] == (5.0, 50.0)


def test_an_objective_takes_so_many_too(summary):
    (result,) = summary.objectives.results
    assert (result.verdict, result.samples, result.missed, result.needed) == (Decision.INCONCLUSIVE, 25, None, 72)
