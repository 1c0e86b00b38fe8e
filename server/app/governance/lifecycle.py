"""Plugin states: what is stored, and the state that is derived from it."""

from enum import StrEnum


class Availability(StrEnum):
    """Whether a plugin can be called at all."""

    OK = "ok"
    FAILED = "FAILED"
    UNAVAILABLE = "UNAVAILABLE"


class PluginState(StrEnum):
    """What ``state`` shows.

    IDLE: not called yet. RUNNING: a call is in flight. SUCCESS, ERROR: how the last call that reached the plugin
    ended. FAILED: it could not be loaded, or its breaker is open. UNAVAILABLE: it lacks something, or is disabled.
    """

    IDLE = "IDLE"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    FAILED = "FAILED"
    UNAVAILABLE = "UNAVAILABLE"


class Outcome(StrEnum):
    """How one execution ended, as the gate reports it. REFUSED input passes the plugin's last outcome on."""

    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


def derive_state(availability: Availability, in_flight: int, last_outcome: PluginState) -> PluginState:
    """Return the first that holds: UNAVAILABLE, FAILED, RUNNING, the last outcome (SUCCESS, ERROR or IDLE)."""
    if availability is not Availability.OK:
        return PluginState(availability.value)
    return PluginState.RUNNING if in_flight else last_outcome
