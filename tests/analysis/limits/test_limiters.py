"""What a user's messages say against a rate limit of 3 in 10 s, of each kind."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis.limits.judges import JUDGES, Decision, Fate, Findings, fixed_window, sliding_log, token_bucket
from loadtest.analysis.limits.kept import Decisions, kept_windows
from loadtest.analysis.limits.run import known_ns
from loadtest.runs.columns import MISSING
from loadtest.server.limiter import LimiterKind
from loadtest.settings import LimitKind, Rate

MS = 1_000_000
SECOND = 1_000 * MS
LIMIT, WINDOW, TIMEOUT = 3, 10 * SECOND, 5 * SECOND
ADMITTED, REJECTED, UNKNOWN = Fate.ADMITTED, Fate.REJECTED, Fate.UNKNOWN


def tries(*story, took_s=0.01):
    """Messages by (second of sending, fate), or with the seconds to the answer as a third."""
    return [
        Decision(round(at * SECOND), round((at + (more[0] if more else took_s)) * SECOND), fate)
        for at, fate, *more in story
    ]


def burst(at, count, fate):
    return [(at + 0.001 * place, fate) for place in range(count)]


def test_a_fixed_window_that_is_kept_shows_nothing():
    story = [*burst(0, 3, ADMITTED), *burst(5, 4, REJECTED), *burst(10.5, 3, ADMITTED), (19, REJECTED)]
    assert fixed_window(tries(*story), LIMIT, WINDOW) == Findings()


def test_one_more_than_the_limit_within_a_window_is_a_leak():
    story = [*burst(0, 4, ADMITTED), (5, REJECTED), *burst(10.5, 4, ADMITTED)]
    assert fixed_window(tries(*story), LIMIT, WINDOW) == Findings(leaks=2)


def test_a_rejection_with_room_in_the_window_is_false():
    assert fixed_window(tries((0, ADMITTED), (1, REJECTED), (2, ADMITTED)), LIMIT, WINDOW) == Findings(
        false_rejections=1
    )


def test_after_a_false_rejection_the_books_are_not_known():
    """It may have counted: the third admitted message may have been one too many, or not."""
    story = [(0, ADMITTED), (1, REJECTED), (2, ADMITTED), (3, ADMITTED), (4, REJECTED)]
    assert fixed_window(tries(*story), LIMIT, WINDOW) == Findings(false_rejections=1, ambiguous=1)


@pytest.mark.parametrize("fate", [ADMITTED, REJECTED])
def test_a_message_on_the_way_at_a_windows_edge_is_ambiguous_and_no_finding(fate):
    assert fixed_window(tries(*burst(0, 3, ADMITTED), (9.9, fate, 0.3)), LIMIT, WINDOW) == Findings(ambiguous=1)


def test_after_an_ambiguous_message_either_reading_may_hold():
    """Admitted at the edge, it opened the next window: two more are admitted there, and the third is not."""
    story = [*burst(0, 3, ADMITTED), (9.9, ADMITTED, 0.3), *burst(12, 2, ADMITTED), (13, REJECTED)]
    assert fixed_window(tries(*story), LIMIT, WINDOW) == Findings(ambiguous=1)


def test_a_message_without_an_answer_may_have_counted():
    story = [(0, UNKNOWN), (1, ADMITTED), (2, ADMITTED), (3, REJECTED)]
    assert fixed_window(tries(*story), LIMIT, WINDOW) == Findings(ambiguous=1)
    assert sliding_log(tries(*story), LIMIT, WINDOW) == Findings(ambiguous=1)
    assert token_bucket(tries(*story), LIMIT, WINDOW) == Findings(ambiguous=1)


def test_readings_that_are_too_many_to_keep_apart_contradict_nothing():
    """Half of the answers were lost, and each of those messages may have opened a window or not."""
    rng, limiter, now, story = random.Random(0), LimiterKind.FIXED.of(Rate(LIMIT, 10.0)), 0, []
    for _ in range(2_000):
        now += rng.randrange(3 * SECOND)
        fate = REJECTED if limiter.take("user", now) else ADMITTED
        story.append(
            Decision(now, now + 30 * SECOND, UNKNOWN) if rng.random() < 0.5 else Decision(now, now + 10 * MS, fate)
        )
    assert fixed_window(story, LIMIT, WINDOW).contradictions == 0


def test_kinds_differ_where_their_windows_do():
    """Two bursts around an edge of the fixed window: a sliding log would have refused the second."""
    story = tries((0, ADMITTED), *burst(9, 2, ADMITTED), *burst(10.5, 3, ADMITTED))
    assert fixed_window(story, LIMIT, WINDOW) == Findings()
    assert sliding_log(story, LIMIT, WINDOW) == Findings(leaks=2)


def test_a_bucket_gives_back_a_token_at_a_time():
    story = tries(*burst(0, 3, ADMITTED), (1, REJECTED), (3.5, ADMITTED), (4, REJECTED), (7, ADMITTED))
    assert token_bucket(story, LIMIT, WINDOW) == Findings()
    assert token_bucket(tries(*burst(0, 4, ADMITTED)), LIMIT, WINDOW) == Findings(leaks=1)
    assert token_bucket(tries(*burst(0, 2, ADMITTED), (1, REJECTED)), LIMIT, WINDOW) == Findings(false_rejections=1)


def test_a_lost_message_may_be_decided_after_those_of_the_next_connection():
    """Lost at 9.9 s, read at 20.6 s: it opened the third window, and took one of its places."""
    lost = (9.9, UNKNOWN, 15)
    story = [*burst(0, 3, ADMITTED), lost, *burst(10.5, 3, ADMITTED), *burst(21, 2, ADMITTED), (22, REJECTED)]
    assert fixed_window(tries(*story), LIMIT, WINDOW).contradictions == 0
    later = [*burst(30.7, 3, ADMITTED), (31, REJECTED)]
    assert fixed_window(tries(*story, *later), LIMIT, WINDOW).contradictions == 0


def test_a_lost_message_may_take_a_token_after_those_of_the_next_connection():
    """Lost at 0 s, read at 4.9 s: the bucket was full again by then, and holds less than a token at 8 s."""
    story = [(0, UNKNOWN, 5), (0.1, ADMITTED), (4.91, ADMITTED), (4.92, ADMITTED), (8, REJECTED)]
    assert token_bucket(tries(*story), LIMIT, WINDOW) == Findings(ambiguous=1)


def test_a_lost_message_counts_no_more_a_window_after_the_last_moment_at_which_it_may_have_been_decided():
    story = [(0, UNKNOWN, 5), *burst(20, 2, ADMITTED), (21, REJECTED)]
    for judge in (fixed_window, sliding_log, token_bucket):
        assert judge(tries(*story), LIMIT, WINDOW) == Findings(false_rejections=1), judge


OUT = st.integers(0, 400 * MS)
ANSWERED, LOST = st.tuples(OUT, OUT), st.tuples(st.integers(0, TIMEOUT), st.none())
"""How long a message was on its way, and its answer; None where that was lost."""
STALLED = st.tuples(st.integers(0, 3 * TIMEOUT), OUT)
"""A server that reads nothing meanwhile: most of what it then answers was given up before."""


def forty(way):
    return st.lists(way, min_size=40, max_size=40)


@given(
    kind=st.sampled_from(list(LimiterKind)),
    gaps=st.lists(st.integers(0, 6_000 * MS), max_size=40),
    ways=st.one_of(
        forty(ANSWERED), forty(st.one_of(ANSWERED, LOST)), forty(st.one_of(ANSWERED, ANSWERED, STALLED, LOST))
    ),
)
def test_a_sound_limiter_is_never_contradicted(kind, gaps, ways):
    """Whatever the times, whenever between sent and ack it decided, whatever was lost, and however long it stalled.

    It decided in the order of sending, but for what was lost: that at any time after those before it.
    """
    now, last, messages = 0, 0, []
    for gap, (out, back) in zip(gaps, ways, strict=False):
        now += gap
        decided = max(last, now + out)
        in_time = back is not None and decided + back <= now + TIMEOUT
        messages.append((now, decided, decided + back if in_time else MISSING))
        last = last if back is None else decided
    limiter, fates = kind.of(Rate(LIMIT, 10.0)), {}
    for place in sorted(range(len(messages)), key=lambda place: messages[place][1]):
        fates[place] = REJECTED if limiter.take("user", messages[place][1]) else ADMITTED
    sent, _, answers = np.array(messages, np.int64).reshape(-1, 3).T
    known = known_ns(np.arange(min(len(messages), 1)), sent, answers, TIMEOUT)
    story = [
        Decision(at, by, UNKNOWN if answer == MISSING else fates[place])
        for place, (at, by, answer) in enumerate(zip(sent.tolist(), known.tolist(), answers.tolist(), strict=True))
    ]
    assert JUDGES[LimitKind(kind)](story, LIMIT, WINDOW).contradictions == 0


def test_what_is_never_answered_was_decided_by_the_users_next_answer_or_when_it_was_given_up_whichever_is_later():
    """Of two users: the first is answered late, and then given no answer any more; the second is answered at once."""
    sent = np.array([0, 1, 2, 9, 0, 9]) * SECOND
    answers = np.array([MISSING, 8 * SECOND, MISSING, MISSING, MISSING, 9 * SECOND])
    known = known_ns(np.array([0, 4]), sent, answers, TIMEOUT)
    assert (known // SECOND).tolist() == [8, 8, 7, 14, 9, 9]


# --- many users at once
def decisions(*stories):
    """Of users one behind the other."""
    sent, known, fates = zip(*(attempt for story in stories for attempt in story), strict=True)
    return Decisions(
        np.cumsum([0] + [len(story) for story in stories[:-1]]),
        np.array(sent),
        np.array(known),
        np.array([fate is ADMITTED for fate in fates]),
        np.array([fate is REJECTED for fate in fates]),
    )


def test_who_kept_the_windows_is_seen_at_a_glance():
    kept = tries(*burst(0, 3, ADMITTED), *burst(5, 4, REJECTED), *burst(10.5, 3, ADMITTED), (19, REJECTED))
    leaks = tries(*burst(0, 4, ADMITTED))
    at_an_edge = tries(*burst(0, 3, ADMITTED), (9.9, ADMITTED, 0.3), (30, ADMITTED))
    not_known = tries((0, UNKNOWN), (1, ADMITTED))
    second_window = tries((0, ADMITTED), (11, REJECTED))
    found = kept_windows(decisions(kept, leaks, at_an_edge, not_known, second_window, kept), LIMIT, WINDOW)
    assert found.tolist() == [True, False, False, False, False, True]


@given(st.data())
def test_nothing_is_found_in_whoever_kept_the_windows_at_a_glance(data):
    """Sound or not, with answers that may take longer than a window."""
    attempt = st.tuples(st.integers(0, 5_000 * MS), st.integers(0, 12_000 * MS), st.sampled_from(Fate))
    stories = []
    for _ in range(data.draw(st.integers(1, 4))):
        now, story = data.draw(st.integers(0, 100 * SECOND)), []
        for gap, took, fate in data.draw(st.lists(attempt, min_size=1, max_size=12)):
            now += gap
            story.append(Decision(now, now + took, fate))
        stories.append(story)
    for story, kept in zip(stories, kept_windows(decisions(*stories), LIMIT, WINDOW), strict=True):
        assert not kept or fixed_window(story, LIMIT, WINDOW) == Findings()


@given(st.lists(st.integers(2 * MS, 6_000 * MS), min_size=1, max_size=40))
def test_a_user_whose_answers_come_at_once_is_kept_exactly_where_nothing_is_found(gaps):
    limiter, now, story = LimiterKind.FIXED.of(Rate(LIMIT, 10.0)), 0, []
    for gap in gaps:
        now += gap
        story.append(Decision(now, now, REJECTED if limiter.take("user", now) else ADMITTED))
    assert kept_windows(decisions(story), LIMIT, WINDOW).all()
