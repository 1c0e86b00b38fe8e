"""The circuit breaker on a clock of its own."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.governance.errors import ERROR_CODES
from app.services.execution.breaker import (
    ANSWERS,
    REMEMBERED_INPUTS,
    WORKER_ENDS,
    Breaker,
    BreakerRules,
    BreakerState,
    Quarantine,
)

RULES = BreakerRules(ends=3, within_s=60.0, rest_s=30.0, longest_rest_s=200.0)
OTHER_CODES = [None, *sorted(set(ERROR_CODES) - WORKER_ENDS)]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(RULES, clock)


def broken(breaker: Breaker, times: int = 3) -> list[bool]:
    return [breaker.record("plugin_crashed") for _ in range(times)]


@pytest.mark.parametrize("code", sorted(WORKER_ENDS))
def test_it_opens_at_the_last_of_enough_ends(breaker: Breaker, code: str) -> None:
    assert [breaker.record(code) for _ in range(3)] == [False, False, True]
    assert breaker.state is BreakerState.OPEN
    assert breaker.allows() is False
    assert breaker.retry_after_s() == 30.0
    assert code in breaker.reason


@pytest.mark.parametrize("code", OTHER_CODES)
def test_what_is_no_end_of_a_worker_does_not_open_it(breaker: Breaker, code: str | None) -> None:
    assert not any(breaker.record(code) for _ in range(20))
    assert breaker.allows()


def test_ends_that_lie_too_far_apart_do_not_open_it(breaker: Breaker, clock: Clock) -> None:
    for _ in range(10):
        breaker.record("plugin_crashed")
        clock.now += 30.1
    assert breaker.state is BreakerState.CLOSED
    breaker.record("plugin_crashed")
    clock.now += 29.9
    breaker.record("plugin_crashed")
    assert breaker.state is BreakerState.OPEN


def test_after_its_rest_one_call_may_try(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    clock.now += 29.9
    assert breaker.allows() is False
    clock.now += 0.1
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_burst_of_calls_that_end_together_is_one_rest(breaker: Breaker) -> None:
    assert broken(breaker, 10) == [False, False, True] + 7 * [False]
    assert (breaker.retry_after_s(), breaker.rests) == (30.0, 1)


def test_calls_that_were_in_flight_and_end_during_the_rest_do_not_make_it_longer(
    breaker: Breaker, clock: Clock
) -> None:
    broken(breaker)
    clock.now += 20
    assert not any(breaker.record(code) for code in ("plugin_timeout", "plugin_unavailable", "plugin_failed", None))
    assert (breaker.retry_after_s(), breaker.rests) == (10.0, 1)


@pytest.mark.parametrize("code", ["plugin_crashed", "plugin_unavailable", None, "plugin_failed"])
def test_a_call_that_was_in_flight_before_does_not_decide_for_the_one_that_tries(
    breaker: Breaker, clock: Clock, code: str | None
) -> None:
    broken(breaker)
    clock.now += 30
    assert breaker.allows()
    breaker.give_up_trial(0)
    assert breaker.record(code) is False
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_trial_that_outlasts_a_reload_does_not_decide_for_the_next_one(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    clock.now += 30
    breaker.allows()
    old = breaker.trial
    breaker.close(forget=True)
    broken(breaker)
    clock.now += 30
    breaker.allows()
    breaker.give_up_trial(old)
    assert breaker.record(None, old) is False
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.record(None, breaker.trial) is True


@pytest.mark.parametrize("code", sorted(ANSWERS, key=str))
def test_a_trial_that_the_plugin_answered_closes_it(breaker: Breaker, clock: Clock, code: str | None) -> None:
    broken(breaker)
    clock.now += 30
    assert breaker.allows()
    assert breaker.record(code, breaker.trial) is True
    assert (breaker.state, breaker.trial) == (BreakerState.CLOSED, 0)
    assert breaker.allows()
    assert broken(breaker, 2) == [False, False]  # it counts anew


@pytest.mark.parametrize("code", sorted({*ERROR_CODES} - WORKER_ENDS - ANSWERS - {"plugin_unavailable"}))
def test_a_trial_that_shows_nothing_of_the_plugin_lets_the_next_call_try(
    breaker: Breaker, clock: Clock, code: str
) -> None:
    broken(breaker)
    clock.now += 30
    assert breaker.allows()
    assert breaker.record(code, breaker.trial) is False
    assert (breaker.state, breaker.rests) == (BreakerState.OPEN, 1)
    assert [breaker.allows(), breaker.allows()] == [True, False]


@pytest.mark.parametrize("code", [*sorted(WORKER_ENDS), "plugin_unavailable"])
def test_a_trial_that_ends_the_worker_opens_it_for_another_rest(breaker: Breaker, clock: Clock, code: str) -> None:
    broken(breaker)
    clock.now += 30
    assert breaker.allows()
    assert breaker.record(code, breaker.trial) is True
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after_s() == 60.0
    assert breaker.reason


def rests_of_failed_trials(breaker: Breaker, clock: Clock, times: int) -> list[float]:
    rests = []
    for _ in range(times):
        rests.append(breaker.retry_after_s())
        clock.now += breaker.retry_after_s()
        assert breaker.allows()
        breaker.record("plugin_crashed", breaker.trial)
    return rests


def test_each_rest_that_did_not_help_is_twice_as_long_up_to_a_limit(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    assert rests_of_failed_trials(breaker, clock, 6) == [30.0, 60.0, 120.0, 200.0, 200.0, 200.0]


def test_a_trial_that_succeeds_only_once_does_not_make_the_rests_short_again(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    rests_of_failed_trials(breaker, clock, 2)
    clock.now += breaker.retry_after_s()
    assert breaker.allows()
    breaker.record(None, breaker.trial)
    broken(breaker)
    assert breaker.retry_after_s() == 200.0


def test_a_plugin_that_was_sound_for_long_enough_rests_as_for_the_first_time(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    rests_of_failed_trials(breaker, clock, 2)
    clock.now += breaker.retry_after_s()
    assert breaker.allows()
    breaker.record(None, breaker.trial)
    clock.now += 60.1
    broken(breaker)
    assert (breaker.retry_after_s(), breaker.rests) == (30.0, 1)


def test_a_reload_forgets_the_rests(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    rests_of_failed_trials(breaker, clock, 2)
    breaker.close(forget=True)
    broken(breaker)
    assert breaker.retry_after_s() == 30.0


def test_a_rest_of_no_length_stays_one(clock: Clock) -> None:
    breaker = Breaker(BreakerRules(ends=1, rest_s=0.0), clock)
    for _ in range(100):
        breaker.record("plugin_crashed", breaker.trial)
        assert breaker.allows()


def test_a_trial_that_came_to_nothing_lets_another_try_at_once(breaker: Breaker, clock: Clock) -> None:
    broken(breaker)
    clock.now += 30
    assert breaker.allows()
    breaker.give_up_trial(breaker.trial)
    assert [breaker.allows(), breaker.allows()] == [True, False]


def test_giving_up_means_nothing_to_a_closed_or_open_breaker(breaker: Breaker) -> None:
    breaker.give_up_trial(breaker.trial)
    assert breaker.state is BreakerState.CLOSED
    broken(breaker)
    breaker.give_up_trial(breaker.trial)
    assert breaker.allows() is False


def test_it_can_be_opened_and_closed_by_hand(breaker: Breaker) -> None:
    breaker.open("its model is gone")
    assert (breaker.allows(), breaker.reason) == (False, "its model is gone")
    breaker.close()
    assert (breaker.allows(), breaker.reason) == (True, "")


class BreakerMachine(RuleBasedStateMachine):
    """Against a plain account of what happened when."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(RULES, self.clock)
        self.ends: list[float] = []
        self.opened: float | None = None
        self.closed: float | None = None
        self.rests = 0
        self.trial = False

    def open(self) -> None:
        sound = self.closed is not None and self.clock.now - self.closed > RULES.within_s
        self.rests = 1 if sound else self.rests + 1
        self.opened, self.closed = self.clock.now, None

    @rule(seconds=st.floats(0, 50))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def a_call_asks(self) -> None:
        rest_s = min(30.0 * 2 ** (self.rests - 1), 200.0)
        expected = self.opened is None or (not self.trial and self.clock.now >= self.opened + rest_s)
        assert self.breaker.allows() is expected
        if expected and self.opened is not None:
            self.trial = True

    @precondition(lambda self: self.opened is None)
    @rule(code=st.sampled_from(sorted(WORKER_ENDS)))
    def a_worker_ends(self, code: str) -> None:
        self.ends.append(self.clock.now)
        last = self.ends[-RULES.ends :]
        if len(last) == RULES.ends and last[-1] - last[0] <= RULES.within_s:
            self.open()
        assert self.breaker.record(code) is (self.opened is not None)

    @precondition(lambda self: self.trial)
    @rule(code=st.sampled_from(["plugin_crashed", "plugin_unavailable", None, "plugin_failed", "invalid_output"]))
    def the_trial_ends(self, code: str | None) -> None:
        assert self.breaker.record(code, self.breaker.trial) is True
        self.trial = False
        if code in ("plugin_crashed", "plugin_unavailable"):
            self.open()
        else:
            self.opened, self.ends, self.closed = None, [], self.clock.now

    @precondition(lambda self: self.trial)
    @rule()
    def the_trial_comes_to_nothing(self) -> None:
        self.breaker.give_up_trial(self.breaker.trial)
        self.trial = False

    @precondition(lambda self: self.trial)
    @rule(code=st.sampled_from(["undecodable_image", "deadline_exceeded", "cancelled", "overloaded"]))
    def the_trial_shows_nothing(self, code: str) -> None:
        assert self.breaker.record(code, self.breaker.trial) is False
        self.trial = False

    @precondition(lambda self: self.opened is not None)
    @rule(code=st.sampled_from([*sorted(WORKER_ENDS), "plugin_unavailable", "plugin_failed"]))
    def a_call_from_before_ends(self, code: str) -> None:
        assert self.breaker.record(code) is False

    @rule()
    def a_good_call_ends(self) -> None:
        assert self.breaker.record(None) is False

    @invariant()
    def the_state_is_as_accounted(self) -> None:
        state = BreakerState.HALF_OPEN if self.trial else BreakerState.CLOSED
        assert self.breaker.rests == self.rests
        assert self.breaker.state is (BreakerState.OPEN if self.opened is not None and not self.trial else state)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_an_input_is_held_back_after_enough_crashes() -> None:
    quarantine = Quarantine(2)
    quarantine.crashed("a")
    assert not quarantine.holds("a")
    assert not quarantine.refuses_any
    quarantine.crashed("a")
    assert quarantine.refuses_any
    quarantine.crashed("b")
    assert (quarantine.holds("a"), quarantine.holds("b"), quarantine.holds("c")) == (True, False, False)


def test_the_inputs_that_crashed_longest_ago_are_forgotten() -> None:
    quarantine = Quarantine(1)
    for number in range(REMEMBERED_INPUTS + 1):
        quarantine.crashed(str(number))
        quarantine.crashed("kept")
    assert not quarantine.holds("0")
    assert quarantine.holds("kept")
    assert quarantine.holds(str(REMEMBERED_INPUTS))


def test_when_all_that_it_held_back_is_forgotten_nothing_is_refused() -> None:
    quarantine = Quarantine(2)
    for _ in range(3):
        quarantine.crashed("held")
    for number in range(REMEMBERED_INPUTS):
        assert quarantine.refuses_any
        quarantine.crashed(str(number))
    assert not quarantine.refuses_any
    assert quarantine.digests() == []
