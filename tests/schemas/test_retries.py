"""Requests that are sent again: only those whose failure passes, after waits below a limit that doubles, and counted."""

import pytest

from filterscope.schemas.retries import FIRST, LONGEST, TRIES, retried, retries, unreported


def failing(times):
    left = [ValueError("busy")] * times

    def call():
        if left:
            raise left.pop()
        return "answer"

    return call


@pytest.mark.parametrize("times", [0, 1, TRIES - 1])
def test_it_is_sent_again_until_it_is_answered_and_counted(times):
    before, waits = retries(), []
    assert retried(failing(times), lambda error: True, waits.append) == "answer"
    assert retries() - before == len(waits) == times
    assert all(0 <= wait <= min(FIRST * 2**number, LONGEST) for number, wait in enumerate(waits))


def test_the_last_error_is_raised():
    waits = []
    with pytest.raises(ValueError, match="busy"):
        retried(failing(TRIES), lambda error: True, waits.append)
    assert len(waits) == TRIES - 1


def test_what_does_not_pass_is_raised_at_once():
    before = retries()
    with pytest.raises(ValueError, match="busy"):
        retried(failing(1), lambda error: False, pytest.fail)
    assert retries() == before


def test_workers_do_not_come_back_together():
    waits = []
    for _ in range(20):
        retried(failing(1), lambda error: True, waits.append)
    assert len(set(waits)) == 20


def test_what_was_sent_again_is_told_once():
    unreported()
    retried(failing(2), lambda error: True, lambda seconds: None)
    assert (unreported(), unreported()) == (2, 0)
