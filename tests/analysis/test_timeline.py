"""A run over time: intervals, percentiles in them, users, rates."""

import numpy as np
import pytest
from staged_run import SECOND, START, answered, batch, message, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.timeline import timeline
from loadtest.model import SERVER, Batch, Connect, Health, Outcome, Population, ServerSample
from loadtest.runs.reader import RunReader


@pytest.fixture
def timeline_of(tmp_path):
    def drawn(messages, facts=None, **changes):
        with RunReader(stage(tmp_path, [batch(messages, **changes)], **facts or {})) as run:
            return timeline(Measured(load(run)), ("ack_delivered",))

    return drawn


def health(process, at_s, users):
    return Health(process, START + at_s * SECOND, SECOND, users, users, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("length_s", "step_s", "count"), [(1, 1, 1), (120, 1, 120), (121, 2, 61), (240, 2, 120), (3_600, 30, 120)]
)
def test_at_most_120_intervals_of_a_round_length(timeline_of, length_s, step_s, count):
    line = timeline_of([], facts={"ended_ns": START + length_s * SECOND})
    assert (line.step_s, len(line.times_s), line.times_s[0]) == (step_s, count, step_s / 2)


def test_the_steady_window_is_told_in_seconds_from_the_start(timeline_of):
    assert timeline_of([]).steady_s == (20.0, 80.0)


def test_percentiles_by_when_a_message_was_intended(timeline_of):
    (track,) = timeline_of([answered(n, 30, n + 1) for n in range(20)] + [answered(20, 31, 500)]).tracks
    assert (track.metric, track.count) == ("ack_delivered", 21)
    assert (track.quantiles["p50"][30], track.quantiles["p95"][30]) == (10.0, 19.0)


def test_with_too_few_samples_a_percentile_is_left_out_and_no_maximum_stands_in(timeline_of):
    (track,) = timeline_of([answered(n, 30, n + 1) for n in range(19)] + [answered(19, 31, 500)]).tracks
    assert np.isfinite(track.quantiles["p50"]).nonzero()[0].tolist() == [30]
    assert np.isnan(track.quantiles["p95"]).all()


def test_the_unanswered_rank_last_here_too(timeline_of):
    (track,) = timeline_of([answered(1, 30, 5), *(message(n, 30, Outcome.TIMEOUT) for n in (2, 3))]).tracks
    assert track.quantiles["p50"][30] == np.inf


def test_other_populations_are_in_no_track(timeline_of):
    assert timeline_of([answered(1, 30, 5, population=Population.LIMIT)]).tracks == ()


def test_rates_are_per_second(timeline_of):
    line = timeline_of(
        [answered(1, 30, 5), answered(2, 30.5, 5), message(3, 32, Outcome.REJECTED), message(4, 34, Outcome.LOST)],
        facts={"ended_ns": START + 240 * SECOND},
        connects=[Connect("ann", "WithinLimitUser", START, "refused")],
    )
    assert {place * 2: rate for place, rate in enumerate(line.sends) if rate} == {30: 1.0, 32: 0.5, 34: 0.5}
    assert {place * 2: rate for place, rate in enumerate(line.rejected) if rate} == {32: 0.5}
    assert {place * 2: rate for place, rate in enumerate(line.errors) if rate} == {0: 0.5, 34: 0.5}


def test_what_a_server_may_use_is_where_it_was_limited(tmp_path):
    at = START + 30 * SECOND + SECOND // 2
    limited = ServerSample("pid 7", at, SECOND, 9 * SECOND // 10, None, None, None, None, None, SECOND)
    free = ServerSample("pid 7", at + SECOND, SECOND, SECOND // 10, None, None, None, None, None)
    batches = [batch([]), Batch(SERVER, 0, server=[limited, free])]
    with RunReader(stage(tmp_path, batches)) as run:
        server = timeline(Measured(load(run)), ()).server
    assert (server.cores[30], server.limit[30]) == (0.9, 1.0)
    assert server.cores[31] == 0.1
    assert np.isnan(server.limit[31])


def test_users_add_up_over_processes_and_are_averaged_within_one(timeline_of):
    samples = [health("w1", 10, 4), health("w1", 11, 6), health("w2", 10, 3)]
    users = timeline_of([], facts={"ended_ns": START + 240 * SECOND}, health=samples).users
    assert users[5] == 8.0
    assert np.isnan(users).sum() == 119
