"""When a job that failed runs again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.governance.errors import ERROR_CODES
from app.governance.retry import NEVER_RETRIED, RETRYABLE_CODES, UNCOUNTED, RetryPolicy, counted

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    codes=st.frozensets(st.sampled_from(sorted(ERROR_CODES.keys() - NEVER_RETRIED))),
    backoff_s=st.floats(0, 604_800),
    factor=st.floats(1, 100),
    max_backoff_s=st.floats(0, 604_800),
    jitter=st.floats(0, 1),
)


def test_without_a_policy_of_its_own_a_job_is_tried_once() -> None:
    assert not any(RetryPolicy().allows(code, 1) for code in ERROR_CODES)


def test_it_is_tried_again_after_the_named_codes_as_often_as_said() -> None:
    policy = RetryPolicy(3, frozenset({"plugin_failed"}))
    assert [policy.allows("plugin_failed", attempts) for attempts in (1, 2, 3, 4)] == [True, True, False, False]
    assert not policy.allows("plugin_crashed", 1)


def test_what_was_stored_is_read_though_it_would_be_refused_now() -> None:
    stored = RetryPolicy(3, frozenset({"cancelled"}))
    assert RetryPolicy.from_stored(stored.to_json()) == stored
    assert not RETRYABLE_CODES & NEVER_RETRIED


def test_unless_codes_are_named_they_are_those_that_may_succeed_later() -> None:
    policy = RetryPolicy(2)
    assert policy.allows("plugin_crashed", 1)
    assert not policy.allows("plugin_failed", 1)
    assert not policy.allows("deadline_exceeded", 1)  # it stays passed
    assert all(ERROR_CODES[code].retryable for code in RETRYABLE_CODES)


def test_the_rest_grows_up_to_its_limit() -> None:
    policy = RetryPolicy(9, backoff_s=1, factor=3, max_backoff_s=20, jitter=0)
    assert [policy.rest_s(attempts, 0.5) for attempts in (1, 2, 3, 4, 5)] == [1, 3, 9, 20, 20]


def test_jitter_takes_away_up_to_its_part_of_the_rest() -> None:
    policy = RetryPolicy(2, backoff_s=8, jitter=0.25)
    assert [policy.rest_s(1, chance) for chance in (0, 0.5, 1)] == [8, 7, 6]


@given(POLICIES, st.integers(1, 10**6), st.floats(0, 1))
def test_the_rest_is_never_negative_nor_longer_than_its_limit(
    policy: RetryPolicy, attempts: int, chance: float
) -> None:
    assert 0 <= policy.rest_s(attempts, chance) <= policy.max_backoff_s


@given(POLICIES)
def test_a_policy_comes_back_from_json_as_it_was(policy: RetryPolicy) -> None:
    assert RetryPolicy.from_json(policy.to_json()) == policy


def test_what_a_request_leaves_out_is_as_the_operator_said() -> None:
    operators = RetryPolicy(5, frozenset({"plugin_failed"}), backoff_s=7)
    assert RetryPolicy.from_json({"max_attempts": 2}, operators) == RetryPolicy(2, operators.codes, 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_attempts": 0}, "max_attempts must be 1 to 100"),
        ({"max_attempts": 10**30}, "max_attempts must be 1 to 100"),
        ({"max_attempts": 1.5}, "max_attempts must be a whole number"),
        ({"max_attempts": True}, "max_attempts must be a number"),
        ({"backoff_s": "soon"}, "backoff_s must be a number"),
        ({"backoff_s": -1}, "backoff_s must be 0 to 604800"),
        ({"max_backoff_s": math.inf}, "max_backoff_s must be 0 to 604800"),
        ({"jitter": math.nan}, "jitter must be 0 to 1"),
        ({"factor": 0.5}, "factor must be 1 to 100"),
        ({"codes": "plugin_failed"}, "codes must be a list of error codes"),
        ({"codes": [1]}, "codes must be a list of error codes"),
        ({"codes": ["no_such"]}, "there is no error code 'no_such'"),
        ({"codes": ["plugin_failed", "cancelled"]}, "no job is tried again after cancelled"),
        ({"codes": ["deadline_exceeded"]}, "no job is tried again after deadline_exceeded"),
        ({"codes": ["unauthorized"]}, "no job is tried again after unauthorized"),
        ({"often": 1}, "a retry policy has no field 'often'"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_with_a_sentence(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RetryPolicy.from_json(given)


def test_attempts_that_a_server_broke_off_do_not_count() -> None:
    assert counted(["retried", *UNCOUNTED, "FAILED"]) == 2
    assert counted([None]) == 1  # it runs now
