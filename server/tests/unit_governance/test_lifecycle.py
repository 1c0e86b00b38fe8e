"""Which state a plugin shows."""

from itertools import product

import pytest

from app.governance.lifecycle import Availability, Outcome, PluginState, derive_state

LAST = (PluginState.IDLE, PluginState.SUCCESS, PluginState.ERROR)


@pytest.mark.parametrize(("in_flight", "last"), list(product((0, 1, 7), LAST)))
def test_what_keeps_a_plugin_from_being_called_comes_first(in_flight: int, last: PluginState) -> None:
    assert derive_state(Availability.UNAVAILABLE, in_flight, last) is PluginState.UNAVAILABLE
    assert derive_state(Availability.FAILED, in_flight, last) is PluginState.FAILED


@pytest.mark.parametrize(("in_flight", "last"), list(product((1, 7), LAST)))
def test_a_plugin_with_calls_in_flight_is_running(in_flight: int, last: PluginState) -> None:
    assert derive_state(Availability.OK, in_flight, last) is PluginState.RUNNING


@pytest.mark.parametrize("last", LAST)
def test_at_rest_the_last_outcome_shows(last: PluginState) -> None:
    assert derive_state(Availability.OK, 0, last) is last


def test_the_outcomes_that_reach_a_plugin_are_states_of_the_same_name() -> None:
    assert PluginState(Outcome.SUCCESS) is PluginState.SUCCESS
    assert PluginState(Outcome.ERROR) is PluginState.ERROR
