"""What a level says, and what all levels say together."""

import msgspec
import pytest
from staged_levels import ACK, FULL, SATURATED, TTFT, asked, levels, summary

from loadtest.analysis.capacity import beyond_the_limiter, capacity, differs_from_little, level, spoken
from loadtest.analysis.capacity_search import Word

MET = [asked(ACK, 14.0, ci95=(12.0, 17.0)), asked(TTFT, 422.0)]


UNMEASURED = asked(TTFT, None, "inconclusive", needed=73) | {"samples": 0}


def judged(results=None, **changes):
    return level(summary(600, results or MET, **changes), 600, "run")


def test_a_level_in_numbers():
    found = judged()
    assert (found.verdict, found.reason, found.sent_per_s, found.delivered_per_s) == (Word.PASS, "", 80.0, 80.0)
    assert (found.streams, found.in_flight, found.answer_s) == (480.0, 480.0, 6.0)  # N = 80/s x 6 s
    assert (found.connected, found.generator_cpu) == (600, 0.048)
    assert not differs_from_little(found)


def test_more_in_flight_than_rate_times_time_is_worth_a_word():
    more = {"key": "in_flight", "start": 600.0, "end": 600.0, "p_value": 0.5}
    assert differs_from_little(judged(drift={"status": "steady", "in_flight_per_s": 0.0, "trends": [more]}))


@pytest.mark.parametrize(
    ("results", "changes", "word", "reason"),
    [
        ([asked(ACK, 300.0, "fail", (280.0, 320.0))], {}, Word.FAIL, ACK),
        (
            [asked(ACK, 240.0, "inconclusive", (220.0, 270.0), needed=5_000)], {}, Word.INCONCLUSIVE,
            f"{ACK}; about 5,000 messages would settle it",
        ),
        (MET, {"drift": SATURATED}, Word.FAIL, "in-flight grows 11.2/s"),
        (
            MET, {"verdict": {"status": "invalid", "reasons": ["the load generator sent late"]}}, Word.UNSOUND,
            "the load generator sent late",
        ),
        ([UNMEASURED], {"steady": {"sent": 800, "delivered": 0}}, Word.FAIL, "none of 800 messages was delivered"),
        (
            [UNMEASURED], {"steady": {"sent": 800, "delivered": 700, "streams_missing": 650, "streams_incomplete": 50}},
            Word.FAIL, "none of 700 answers was completed",
        ),
        (
            [UNMEASURED], {"steady": {"sent": 800, "delivered": 800, "streams_not_expected": 800}}, Word.INCONCLUSIVE,
            f"{TTFT}; about 73 messages would settle it",
        ),
        (MET, {"objectives": None}, Word.INCONCLUSIVE, "no objective was judged"),
        (
            MET, {"objectives": {"verdict": "fail", "results": [], "goodput": None, "aborted": "lost >= 1: 1"}},
            Word.FAIL, "aborted: lost >= 1: 1",
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_a_level(results, changes, word, reason):
    found = judged(results, **changes)
    assert (found.verdict, found.reason) == (word, reason)


def connected(held, **asked):
    """A generator of so many connections, for a level of 600 users."""
    whole = msgspec.to_builtins(summary(600, MET).generator)
    return whole | {"processes": [whole["processes"][0] | {"connections": held}]} | asked


@pytest.mark.parametrize(
    ("needed", "settled_by"), [((3000, None), None), ((3000, 5000), 5.0), ((None, None), None)], ids=str
)
def test_a_level_is_settled_once_its_hardest_objective_is(needed, settled_by):
    unsure = [asked(each, 240.0, "inconclusive", needed=more) for each, more in zip((ACK, TTFT), needed, strict=True)]
    assert level(summary(100, unsure), 100, "run").settled_by == settled_by


def test_what_passes_with_one_objective_unsure_takes_what_that_one_takes():
    results = [asked(ACK, 20.0), asked(TTFT, 1190.0, "inconclusive", needed=1500)]
    found = level(summary(100, results), 100, "run", times=2.0)
    assert (found.settled_by, found.times) == (1.5, 2.0)
    assert level(summary(100, [asked(ACK, 20.0)]), 100, "run").settled_by is None


@pytest.mark.parametrize("beside", ["lost == 0", "ttft.max < 1.2s"])
def test_beside_a_count_or_a_maximum_no_level_is_longer_than_the_others(beside):
    unsure = asked(ACK, 240.0, "inconclusive", needed=3000)
    other = asked(TTFT, 0.0) | {"objective": beside}
    other |= {"unit": "count", "statistic": None} if beside.startswith("lost") else {"statistic": "max"}
    assert level(summary(100, [unsure, other]), 100, "run").settled_by is None


def test_a_longer_level_has_no_more_connections():
    unsure = asked(ACK, 240.0, "inconclusive", needed=3000) | {"metric": "connect_ratio"}
    assert level(summary(100, [unsure]), 100, "run").settled_by is None


def test_of_levels_run_again_the_sound_and_longest_speak():
    late = {"verdict": {"status": "invalid", "reasons": ["the load generator was late"]}}
    unsure = [asked(ACK, 240.0, "inconclusive", needed=3000)]
    first, again = level(summary(100, unsure), 100, "a"), level(summary(100, [asked(ACK, 20.0)]), 100, "b", 3.9)
    unsound = level(summary(100, [asked(ACK, 20.0)], **late), 100, "c", 3.9)
    other = level(summary(200, [asked(ACK, 20.0)], **late), 200, "d")
    assert spoken([first, unsound, again, other]) == [again, other]
    assert spoken([first, unsound]) == [first]


def test_a_level_whose_users_were_not_connected_is_none_of_so_many_users():
    found = judged(generator=connected(500))
    assert (found.verdict, found.reason) == (Word.FAIL, "only 500 of 600 users were connected")


@pytest.mark.parametrize(
    ("failed", "logins", "word", "cause"),
    [
        ({"timeout": 400}, {}, Word.FAIL, ""),
        ({"no free port": 400, "timeout": 10}, {}, Word.UNSOUND, ": 400 x no free port"),
        ({"no free port": 10, "timeout": 400}, {}, Word.FAIL, ""),
        ({"too many open files": 400}, {}, Word.UNSOUND, ": 400 x too many open files"),
        ({}, {"http 429": 400}, Word.UNSOUND, ": 400 x login http 429"),
    ],
)
def test_users_who_never_reached_the_server_say_nothing_of_it(failed, logins, word, cause):
    found = judged(generator=connected(500), connect_failures=failed, login_failures=logins)
    assert (found.verdict, found.reason) == (word, f"only 500 of 600 users were connected{cause}")


def test_users_who_come_and_go_are_not_missed():
    """Of 600 who stay for 5 minutes and are away for 10, 200 are there in the mean."""
    found = judged(generator=connected(190, connections_asked=200, connections_least=156.9))
    assert (found.verdict, found.connected) == (Word.PASS, 190)


def test_a_search_that_measures_the_limiter_is_told_so():
    assert beyond_the_limiter(summary(100, MET, counts={"sent": 200, "rejected": 30})) == 0.15
    assert beyond_the_limiter(summary(100, MET, counts={"sent": 200, "rejected": 2})) is None


def test_the_bracket_and_the_resource_that_was_full():
    found = capacity(levels(), "found")
    assert (found.max_users, found.fails_at_users, found.passes_at_users) == (3000, 4000, 3000)
    assert found.max_messages_per_s == 400.0
    assert found.limited_by == "server: 1 core at 99 %"
    assert found.objectives == [ACK, TTFT]


def test_what_a_level_failed_by():
    assert judged([asked(ACK, 14.0), asked(TTFT, 2300.0, "fail")]).decisive == TTFT
    assert judged(drift=SATURATED).decisive is None
    assert judged().decisive is None


def test_a_level_that_was_ended_early_failed_by_the_objective_that_ended_it():
    unsure = [asked(ACK, 14.0, ci95=(12.0, 17.0)), asked(TTFT, 2300.0, "inconclusive")]
    aborted = "ttft.p95 >= 1.2s: 80 of 90 messages were beyond that"
    found = judged(objectives={"verdict": "fail", "results": unsure, "goodput": None, "aborted": aborted})
    assert (found.verdict, found.reason, found.decisive) == (Word.FAIL, f"aborted: {aborted}", TTFT)
    assert capacity([found], "nothing passes").limited_by == f"objective: {TTFT}"


def test_without_a_resource_in_sight_it_is_the_objective_or_what_grows():
    failed = level(summary(600, [asked(ACK, 300.0, "fail", (280.0, 320.0))]), 600, "run")
    grown = level(summary(600, MET, drift=SATURATED), 600, "run")
    assert capacity([failed], "nothing passes").limited_by == f"objective: {ACK}"
    assert capacity([grown], "nothing passes").limited_by == "server: in-flight grows 11.2/s"


def test_where_the_generator_is_the_limit_there_is_no_number():
    passed = judged()
    unsound = judged(verdict={"status": "invalid", "reasons": ["the load generator sent late"]})
    found = capacity([passed, unsound, unsound], "generator")
    assert (found.max_users, found.max_messages_per_s, found.passes_at_users) == (None, None, 600)
    assert found.limited_by == "generator: the load generator sent late"


def test_the_most_and_the_time_are_limits_too():
    assert capacity([judged()], "most").limited_by == "--max-users"
    assert capacity([judged()], "--max-time").limited_by == "--max-time"
    assert capacity([judged(server=FULL)]).limited_by is None  # it passed all the same


def test_the_knee_is_where_throughput_over_latency_is_largest():
    assert capacity(levels()).knee_users == 1000  # 133/s over 19 ms; 2,000 users: 267/s over 41 ms
