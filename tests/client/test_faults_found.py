"""Every fault that the reference server can be told to make is found by the tool: as often as it was done, under its
name, and nothing else with it; and where nothing was ordered, nothing is found.

How often it was done is the server's own count. Found is what the summary of a run says (`run_stage`).
"""

import time
from collections import Counter

import gevent
import pytest
from chat_stage import until
from reference_server import SECRET, served
from run_stage import NEVER, SEED, Users

from loadtest.client.state import State
from loadtest.client.tokens import MintedTokens
from loadtest.client.tokens.bad import BadTokens
from loadtest.load.recorder import Aside
from loadtest.model import SETTLED_NS, Population
from loadtest.server import AnswerStyle
from loadtest.server.faults.kinds import Fault
from loadtest.server.faults.orders import order
from loadtest.server.streams import StreamIds
from loadtest.settings import Backoff, Rate

MESSAGES = 12
CHUNKS = 5
ANSWERS = AnswerStyle(ttft_s=0.002, gap_s=0.001, chunks=CHUNKS, seed=SEED)
SECOND = 1_000_000_000
PATIENT = Backoff(base_s=0.05, max_s=0.05, attempts=100)


class Play:
    """A run of users who do what a play says, against a server that does what is ordered.

    Attributes:
        users: who take part.
        orders: what is to go wrong.
    """

    def __init__(self, server, limit, orders):
        self.users, self.orders = Users(server.url, limit), orders
        self._server, self._sent = server, 0

    @property
    def counts(self):
        """What the server has counted by now."""
        return self._server.counts

    def begin(self):
        """From here on the server errs."""
        self._server.order(*self.orders)

    def send(self, *clients, to="tea"):
        for client in clients:
            client.send(to, "hi")
        self._sent += len(clients)

    def settle(self):
        """The server has done all that it is going to do, and it has arrived."""
        until(self._is_quiet)
        self.users.hear()

    def _is_quiet(self):
        counts, clients = self.counts, self.users.clients
        cuts = counts.faults.get("cut", 0) + counts.faults.get("stream-cut", 0)
        return (
            counts.messages == self._sent
            and counts.streams_started == counts.streams_completed + counts.streams_cancelled
            and sum(client.losses for client in clients) == cuts
            and all(client.state is State.AUTHENTICATED for client in clients)
        )


def one_by_one(play):
    """One user, whose messages are each sent when all is over with the one before, and what is missing given up."""
    user = play.users.new()
    play.begin()
    for _ in range(MESSAGES):
        play.send(user)
        play.settle()
        play.users.give_up()


def patient(play):
    """One user, who waits for each answer as long as it takes."""
    user = play.users.new()
    play.begin()
    for _ in range(MESSAGES):
        play.send(user)
        until(lambda: not user.open)


def until_the_late_ones_come(play):
    """Acks come that had been given up."""
    one_by_one(play)
    until(lambda: play.counts.delivered_acks == MESSAGES)
    play.users.hear()


def before_they_go_on(play):
    """Answers go on that had been given up."""
    user = play.users.new()
    play.begin()
    for sent in range(MESSAGES):
        begun = play.counts.stream_frames
        play.send(user)
        if sent < 2:
            until(lambda: play.counts.stream_frames == begun + CHUNKS // 2)  # noqa: B023 - called before the next turn
            play.users.hear()
            play.users.give_up()
        play.settle()


def two_at_once(play):
    """One user with two answers at a time."""
    user = play.users.new()
    play.begin()
    for _ in range(MESSAGES // 2):
        play.send(user, user)
        play.settle()


def all_at_once(play):
    """One user, who sends more than a limit admits."""
    user = play.users.new(Population.LIMIT)
    play.begin()
    play.send(*[user] * MESSAGES)
    play.settle()


def again_when_admitted(play):
    """Three users, whose second message comes too early, and whose third does not, whatever they were told."""
    users = [play.users.new(Population.LIMIT) for _ in range(3)]
    play.begin()
    for user in users:
        play.send(user, user, to=user.identity.user)
    play.settle()
    gevent.sleep(1.1)  # a window of a second
    for user in users:
        play.send(user, to=user.identity.user)
    play.settle()


def in_a_room(play):
    """ann, and ben and cid in her conversation, and eve in another: ann sends forty messages at once."""
    ann, ben, cid, eve = (play.users.new(seat=seat) for seat in (1, 2, 3, 4))
    for client in (ann, ben, cid):
        play.send(client)
        play.settle()
    play.send(eve, to="milk")
    play.settle()
    play.begin()
    play.send(*[ann] * 40)
    play.settle()
    gevent.sleep(SETTLED_NS / SECOND + 0.1)  # so long a member has to stay for a message to be owed to it
    play.users.hear()


def many_connect(play):
    """Users who do nothing but connect."""
    play.begin()
    for _ in range(MESSAGES):
        play.users.new()


def intruders(play):
    """Connections with bad tokens, or none."""
    play.begin()
    aside = Aside(play.users.recorder)
    tokens = BadTokens(MintedTokens(SECRET))
    for _ in range(MESSAGES):
        client = play.users.client(tokens, aside, backoff=NEVER)
        client.connect()
        client.disconnect()


def idle(play):
    """Three users, who look after their connections, lose them and come back."""
    users = [play.users.new(ping_timeout_s=4.0, backoff=Backoff(base_s=0.3)) for _ in range(3)]
    play.begin()
    if not play.orders:
        return
    now = time.monotonic_ns()
    for later in (3.0, 4.5) if "black-hole" in play.orders[0] else ():
        for user in users:
            user.expire(now + round(later * SECOND))
    until(lambda: all(user.losses == 1 and user.state is State.AUTHENTICATED for user in users))


@pytest.fixture
def played(tmp_path):
    """Play to the end; what the server counted, and what was found."""

    def run(play, *orders, limit=None, answers=ANSWERS, **options):
        with served(answers=answers, rate_limit=limit, **options) as server:
            playing = Play(server, limit, orders)
            play(playing)
            return server.counts, playing.users.end(tmp_path)

    return run


# --- acks and answers
ONE_BY_ONE = [
    ("ack-drop", {"timeout": 1, "timeouts: no ack": 1}),
    ("ack-drop:ack=received", {"missing_ack: received": 1}),
    ("ack-drop:ack=delivered", {"timeout": 1, "timeouts: received, never delivered": 1}),
    ("ack-double", {"duplicates": 2, "duplicate_ack: received": 1, "duplicate_ack: delivered": 1}),
    ("ack-double:ack=delivered", {"duplicates": 1, "duplicate_ack: delivered": 1}),
    ("ack-reorder", {"reordered_ack: received": 1}),
    ("ack-error", {"error": 1, "errors: Message could not be processed": 1}),
    ("ack-unknown", {"unmatched_ack: delivered": 1}),
    ("stream-missing", {"streams_missing": 1}),
    ("stream-truncate", {"streams_incomplete": 1}),
    ("stream-repeat", {"stream_violations": 1, "stream_violation: repeated": 1}),
    ("stream-shrink", {"stream_violations": 1, "stream_violation: shrunk": 1}),
    ("stream-rewrite", {"stream_violations": 1, "stream_violation: rewritten": 1}),
    ("stream-reorder", {"stream_violations": 1, "stream_violation: reordered": 1}),
    ("stream-unknown", {"unmatched_stream: ": 1, "foreign_stream: incomplete": 1}),
    ("stream-after", {"stream_violations": 1, "stream_violation: after completion": 1}),
    ("stream-complete-twice", {"stream_violations": 1, "stream_violation: second completion": 1}),
    ("stream-empty-first", {"stream_oddity: empty first chunk": 1}),
    ("stream-delta", {"stream_violations": CHUNKS, "stream_violation: rewritten": CHUNKS}),
    ("stream-error", {"streams_errored": 1}),
    ("stream-cut:1012", {"streams_interrupted": 1, "disconnects": 1, "outages": 1, "reconnects": 1}),
    ("cut:1006", {"lost": 1, "losses: closed 1006": 1, "disconnects": 1, "outages": 1, "reconnects": 1}),
]  # fmt: skip
"""Fault to what is found of one."""
LATE = {"timeout": 1, "timeouts: no ack": 1, "late_ack: received": 1, "late_ack: delivered": 1}
GOES_ON = {"streams_incomplete": 1, "stream_violations": 4, "stream_violation: after the timeout": 4}
FOREIGN = {"stream_violations": 1, "stream_violation: foreign": 1}
PLAYED = [
    *((one_by_one, f"{fault}{',' if ':' in fault else ':'}every=3", 4, each) for fault, each in ONE_BY_ONE),
    (until_the_late_ones_come, "ack-late:1s,every=3", 4, LATE),
    (before_they_go_on, "stream-freeze:500ms,to=2", 2, GOES_ON),
    (two_at_once, "stream-foreign:to=4", 4, FOREIGN),
    (many_connect, "auth-refuse:every=3", 5,
     {"auth_failures": 1, "connect_failures": 1, "connect_failures: AUTH_FAILED": 1, "auth_recoveries": 1,
      "connection_error: AUTH_FAILED": 1}),
    (intruders, "auth-let-in:every=3", 4, {"intruders_admitted": 1}),
]  # fmt: skip
"""Play, order, how often it is done, and what is found of one."""
SLOW_ANSWERS = AnswerStyle(ttft_s=0.02, gap_s=0.02, chunks=CHUNKS, seed=SEED)
"""So slow that two of them are under way together."""


def style(play):
    return SLOW_ANSWERS if play in (two_at_once, before_they_go_on) else ANSWERS


@pytest.mark.parametrize(("play", "ordered", "times", "each"), PLAYED, ids=[row[1] for row in PLAYED])
def test_a_fault_is_found_as_often_as_it_was_done_and_nothing_else(played, play, ordered, times, each):
    counts, found = played(play, ordered, answers=style(play))
    assert counts.faults == {order(ordered).fault: times}
    assert found.findings == {name: count * times for name, count in each.items()}


@pytest.mark.parametrize(
    ("play", "messages"), [(one_by_one, MESSAGES), (two_at_once, MESSAGES), (many_connect, 0), (intruders, 0)]
)
def test_without_an_order_nothing_is_found(played, play, messages):
    counts, found = played(play, answers=style(play))
    assert (counts.faults, found.findings) == ({}, {})
    assert [found.summary.counts[name] for name in ("delivered", "streams_completed")] == [messages] * 2


@pytest.mark.parametrize(
    ("ids", "guessed"),
    [(StreamIds.SAME, {}), (StreamIds.RANDOM, {"stream_by_order: the only one waiting": MESSAGES - 1})],
)
def test_answers_are_checked_whatever_their_ids(played, ids, guessed):
    """Twelve faults, each in an answer of its own; one of them leaves none that could be matched."""
    faults = {fault: each for fault, each in ONE_BY_ONE if fault.startswith("stream-") and ":" not in fault}
    assert len(faults) == MESSAGES
    orders = [f"{fault}:from={place},to={place}" for place, fault in enumerate(faults, 1)]
    counts, found = played(one_by_one, *orders, stream_ids=ids)
    assert counts.faults == dict.fromkeys(faults, 1)
    total = sum((Counter(each) for each in faults.values()), Counter(guessed))
    assert found.findings == total


# --- the rate limit
@pytest.mark.parametrize(
    ("ordered", "limit", "times", "found_as"),
    [
        ("limit-leak:every=3", Rate(5, 60.0), 2, {"limit_leaks": 2}),
        ("limit-false:every=3", Rate(100, 60.0), 4, {"false_rejections": 4}),
        (None, Rate(5, 60.0), 0, {}),
        (None, Rate(100, 60.0), 0, {}),
    ],
)
def test_a_limit_that_errs_is_found_to(played, ordered, limit, times, found_as):
    counts, found = played(all_at_once, *filter(None, [ordered]), limit=limit)
    assert sum(counts.faults.values()) == times
    assert found.findings == found_as
    assert found.summary.counts["rejected"] == counts.rejected


# --- what is late, slow or held up is found by how long it takes
SLOW = [
    (patient, "ack-late:500ms,to=2", "ack_delivered", 500, 2),
    (patient, "cpu:300ms,to=2", "ack_delivered", 300, 2),
    (patient, "cpu-random:2s,to=1", "ack_delivered", 288, 1),  # the seeded draw of it
    (patient, "stream-freeze:500ms,to=2", "longest_stall", 450, 2),  # less what a chunk before it may be late
    (many_connect, "handshake-slow:500ms,to=2", "connect", 500, 2),
    (again_when_admitted, "limit-mistime:+5s", "retry_after_error", 3_000, 3),  # up to a second too much is right
]


@pytest.mark.parametrize(("play", "ordered", "metric", "least_ms", "times"), SLOW, ids=[row[1] for row in SLOW])
def test_what_takes_longer_on_order_is_in_the_metric_so_often(played, play, ordered, metric, least_ms, times):
    limit = Rate(1, 1.0) if play is again_when_admitted else None
    counts, found = played(play, ordered, limit=limit)
    assert counts.faults == {order(ordered).fault: times}
    assert found.at_least(metric, least_ms) == times
    assert found.findings == {}


@pytest.mark.parametrize(
    ("play", "limit", "longest_ms"),
    [
        (patient, None, {"ack_delivered": 288, "longest_stall": 450}),
        (many_connect, None, {"connect": 500}),
        (again_when_admitted, Rate(1, 1.0), {"retry_after_error": 1_000}),
    ],
)
def test_without_an_order_nothing_takes_so_long(played, play, limit, longest_ms):
    _, found = played(play, limit=limit)
    assert {metric: found.at_least(metric, ms) for metric, ms in longest_ms.items()} == dict.fromkeys(longest_ms, 0)
    assert found.findings == {}


# --- broadcasts
BROADCASTS = {
    "broadcast-withhold:2,from=1,to=3": "broadcasts_missing",
    "broadcast-double:1,from=5,to=6": "broadcasts_doubled",
    "broadcast-alter:2,from=8,to=9": "broadcasts_altered",
    "broadcast-misname:1,from=11,to=13": "broadcasts_misnamed",
    "broadcast-late:300ms,from=15,to=16": "broadcasts_reordered",
    "broadcast-leak:1,from=18,to=21": "leaks",
}
"""Each of messages of its own, so that one run shows them all."""


def test_each_fault_of_broadcasts_is_found_in_as_many_frames_as_it_was_done_to(played):
    counts, found = played(in_a_room, *BROADCASTS, answers=None)
    ordered = {name: counts.faults[order(text).fault] for text, name in BROADCASTS.items()}
    assert list(ordered.values()) == [6, 2, 4, 3, 2, 4]
    leaked = {"leak: message:receive": ordered["leaks"]}
    assert found.findings == ordered | leaked


def test_broadcasts_without_a_fault_have_no_findings(played):
    _, found = played(in_a_room, answers=None)
    assert found.findings == {}
    assert found.summary.counts["broadcasts_expected"] == found.summary.counts["broadcasts_seen"] >= 80


# --- losses of all connections
@pytest.mark.parametrize(
    ("ordered", "done", "cause"),
    [
        ("cut-all:1012", 3, "server close"),
        ("restart:100ms", 1, "server cut"),  # of all three
        ("black-hole:60s", 3, "ping timeout"),
    ],
)
def test_each_connection_that_was_lost_is_an_outage_of_its_cause(played, ordered, done, cause):
    counts, found = played(idle, ordered)
    assert counts.faults == {order(ordered).fault: done}
    causes = found.summary.recovery.causes
    assert {name: (of.outages, of.ended) for name, of in causes.items()} == {cause: (3, {"recovered": 3})}
    assert found.findings == {"disconnects": 3, "outages": 3, "reconnects": 3}


def test_whoever_is_refused_while_nobody_listens_has_failed_to_connect(played):
    def shut_out(play):
        users = [play.users.new(backoff=PATIENT) for _ in range(3)]
        play.begin()
        until(lambda: play.counts.faults)
        for user in users:
            user.reset()
        until(lambda: all(user.losses == 1 and user.state is State.AUTHENTICATED for user in users))

    counts, found = played(shut_out, "refuse-connects:300ms")
    assert counts.faults == {"refuse-connects": 1}
    refused = [connect for connect in found.measured.records.connects if connect.outcome != "ok"]
    assert {connect.user for connect in refused} == {"load-0", "load-1", "load-2"}
    assert found.summary.connect_failures == {"refused": len(refused)}


def test_idle_users_of_a_sound_server_have_no_findings(played):
    _, found = played(idle)
    assert found.findings == {}


# --- all of them
def test_no_fault_is_left_out():
    texts = [row[1] for row in (*PLAYED, *SLOW)] + [*BROADCASTS, "limit-leak", "limit-false"]
    texts += ["cut-all", "restart:1s", "black-hole:1s", "refuse-connects:1s"]
    unseen = set(Fault) - {order(text).fault for text in texts}
    assert unseen == {Fault.GHOST}, "whom a server takes for a member still, no frame tells"
