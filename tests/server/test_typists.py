"""Typing of one connection: starts at least a second apart, and stops only of who is typing."""

from __future__ import annotations

from loadtest.server.typists import Typist


def test_a_second_start_within_a_second_is_ignored() -> None:
    typist = Typist()
    assert [typist.start("tea", at) for at in (10.0, 10.5, 10.999, 11.0, 11.5)] == [True, False, False, True, False]


def test_a_start_soon_after_a_stop_is_ignored_too() -> None:
    typist = Typist()
    assert typist.start("tea", 10.0)
    assert typist.stop("tea")
    assert not typist.start("tea", 10.5)
    assert typist.conversations() == []
    assert typist.start("tea", 11.0)


def test_conversations_do_not_limit_each_other() -> None:
    typist = Typist()
    assert typist.start("tea", 10.0)
    assert typist.start("milk", 10.0)
    assert typist.conversations() == ["milk", "tea"]


def test_only_who_is_typing_can_stop() -> None:
    typist = Typist()
    assert not typist.stop("tea")
    typist.start("tea", 10.0)
    assert [typist.stop("tea"), typist.stop("tea")] == [True, False]


def test_a_start_times_out_unless_a_later_one_was_accepted() -> None:
    typist = Typist()
    typist.start("tea", 10.0)
    typist.start("tea", 12.0)
    assert not typist.time_out("tea", 10.0)
    assert typist.time_out("tea", 12.0)
    assert not typist.time_out("tea", 12.0)


def test_an_ignored_start_does_not_put_off_the_timeout() -> None:
    typist = Typist()
    typist.start("tea", 10.0)
    typist.start("tea", 10.9)
    assert typist.time_out("tea", 10.0)


def test_what_was_stopped_does_not_time_out() -> None:
    typist = Typist()
    typist.start("tea", 10.0)
    typist.stop("tea")
    assert not typist.time_out("tea", 10.0)
