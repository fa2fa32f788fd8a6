"""The trace of a slow message: that of the connection it went over."""

from staged_run import MS, SECOND, START, answered, batch, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.slowest import slowest
from loadtest.model import Connect
from loadtest.runs.reader import RunReader


def connect(user, at_s, trace, **more):
    began = START + at_s * SECOND
    return Connect(user, "WithinLimitUser", began, "ok", authenticated_ns=began + MS, trace_id=trace, **more)


def traces(tmp_path, *connects):
    """Message id to trace, of messages of user-0, user-1, user-2, user-0 ... sent 22 s, 23 s ... after the start."""
    messages = [answered(number, 22 + number, 5) for number in range(6)]
    with RunReader(stage(tmp_path, [batch(messages, connects=list(connects))])) as run:
        found = slowest(Measured(load(run)), run, "ttft")
    return {message.message_id: message.trace_id for message in found}


def test_a_message_has_the_trace_of_its_users_latest_connection_before_it(tmp_path):
    one, again = connect("user-0", 1, "a"), connect("user-0", 24, "b", reconnect=True)
    failed = Connect("user-0", "WithinLimitUser", START + 2 * SECOND, "timeout", trace_id="c")
    found = traces(tmp_path, one, failed, again, connect("user-1", 1, "d"))
    assert (found["msg-0"], found["msg-3"], found["msg-1"], found["msg-2"]) == ("a", "b", "d", None)


def test_users_who_share_an_account_leave_open_which_connection_it_was(tmp_path):
    found = traces(tmp_path, connect("user-0", 1, "a"), connect("user-0", 2, "b"))
    assert set(found.values()) == {None}


def test_without_traces_there_are_none(tmp_path):
    assert set(traces(tmp_path, connect("user-0", 1, None)).values()) == {None}
