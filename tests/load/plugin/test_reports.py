"""How records travel from a worker to its master."""

from types import SimpleNamespace

from staged_run import STEADY_S, answered

from loadtest.load.plugin.reports import decoded, encoded
from loadtest.load.recorder import ROWS_AT_ONCE, Recorder
from loadtest.model import Count


class NoTable:
    """Stands for Locust's `events.request`."""

    def fire(self, **_):
        pass


def recorded(*reasons):
    """What a worker sends whose messages, as many as fill a batch, ended for these reasons."""
    recorder = Recorder("worker-1", NoTable())
    for place, reason in enumerate(reasons):
        for number in range(ROWS_AT_ONCE):
            recorder.on_message(answered(100 * place + number, STEADY_S, 5, reason=reason))
    return [decoded(packed) for packed in encoded(SimpleNamespace(recorder=recorder))]


def test_all_that_a_worker_recorded_arrives_in_order():
    batches = recorded("a", "b")
    assert [(batch.process, batch.sequence) for batch in batches] == [("worker-1", 0), ("worker-1", 1)]
    assert [{message.reason for message in batch.messages} for batch in batches] == [{"a"}, {"b"}]
    assert [len(batch.messages) for batch in batches] == [ROWS_AT_ONCE] * 2


def test_a_report_that_cannot_be_sent_takes_no_other_along_and_is_counted(caplog):
    batches = recorded("a", "half \ud83d", "c")
    assert [batch.sequence for batch in batches] == [0, 1, 2]
    assert [len(batch.messages) for batch in batches] == [ROWS_AT_ONCE, 0, ROWS_AT_ONCE]
    assert batches[1].counters == [Count("report_left_out", "", 1)]
    assert "a report cannot be sent, and is left out: 'utf-8' codec can't encode" in caplog.text
