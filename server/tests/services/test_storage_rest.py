"""The rest of a server that cannot read inputs."""

from app.services.execution.storage_rest import FIRST_S, LONGEST_S, StorageRest


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def rest_after_failure(rest: StorageRest, clock: Clock) -> float:
    """Fail, and return how long that rests."""
    began = clock.now
    rest.failed()
    while rest.rests:
        clock.now += 0.5
    return clock.now - began


def test_the_rest_grows_while_nothing_can_be_read_and_begins_anew_after_that() -> None:
    clock = Clock()
    rest = StorageRest(clock)
    assert not rest.is_known
    rests = [rest_after_failure(rest, clock) for _ in range(5)]
    assert rests == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, LONGEST_S, LONGEST_S]
    assert rest.is_known
    rest.over()
    assert not rest.is_known
    assert rest_after_failure(rest, clock) == FIRST_S


def test_what_fails_during_a_rest_makes_none_longer() -> None:
    clock = Clock()
    rest = StorageRest(clock)
    for _ in range(100):
        rest.failed()
    assert rest_after_failure(rest, clock) == FIRST_S
    assert rest_after_failure(rest, clock) == 2 * FIRST_S
