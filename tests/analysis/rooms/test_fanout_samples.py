"""Fan-out of a room of twenty: receivers of one message are no independent samples, so messages are what is counted."""

import pytest
from room_stage import received, stay
from staged_run import MS, SECOND, START, STEADY_S, answered, batch, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.objectives import objective
from loadtest.report.render import as_text
from loadtest.runs.reader import RunReader

ROOM = "conv-0"
OTHERS = range(1, 20)


@pytest.fixture
def room(tmp_path):
    """The summary of so many messages, of which the n-th reaches all others after n ms, in mixed order."""

    def summed_up(messages, *slo):
        rows, receipts = [], []
        for n in range(messages):
            rows.append(answered(n, STEADY_S + n / 10, 1, client=0, digest=7))
            at = rows[-1].sent_ns // MS + n * 37 % messages + 1
            receipts.append(received(f"msg-{n}", "user-0", *((client, n, at) for client in OTHERS), conversation=ROOM))
        stays = [stay(client, START // MS, (START + 82 * SECOND) // MS, ROOM) for client in (0, *OTHERS)]
        folder = stage(tmp_path, [batch(rows, receipts=receipts, stays=stays)])
        with RunReader(folder) as run:
            return summarize(Measured(load(run)), [objective(text) for text in slo])

    return summed_up


def test_a_percentile_takes_as_many_messages_as_it_would_take_samples(room):
    fanout = room(40).metrics["fanout"]
    assert (fanout.count, fanout.clusters) == (40 * 19, 40)
    assert (fanout.p50, fanout.p90) == (20.0, 36.0)
    assert fanout.withheld == {"p95": 72, "p99": 368, "p99_9": 3_688}
    assert fanout.p95 is fanout.p99 is fanout.ci95["p95"] is None


def test_its_interval_is_no_narrower_than_that_of_the_messages(room):
    metrics = room(101).metrics
    assert (metrics["fanout_last"].count, metrics["fanout_last"].clusters) == (101, None)
    (low, high), (least, most) = metrics["fanout"].ci95["p50"], metrics["fanout_last"].ci95["p50"]
    assert (least, most) == (41.0, 61.0)  # of 1,919 independent samples, some 49 to 53
    assert low <= least < most <= high


def test_the_table_says_what_is_counted(room):
    text = " ".join(as_text(room(40)).split())
    assert "it takes at least p50 6, p90 36, p95 72, p99 368, p99.9 3,688; of fan-out that many messages" in text


@pytest.mark.parametrize(("limit", "verdict", "needed"), [("50ms", "inconclusive", 19 * 72), ("20ms", "fail", None)])
def test_an_objective_below_the_floor_needs_more_of_them_or_is_missed_by_too_many(room, limit, verdict, needed):
    (result,) = room(40, f"fanout.p95 < {limit}").objectives.results
    assert (result.verdict, result.samples, result.needed) == (verdict, 40 * 19, needed)
