"""The rest of jobs whose input cannot be read."""

from app.services.execution.storage_rest import FIRST_S, LONGEST_S, StorageRest


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_grows_while_nothing_can_be_read_and_begins_anew_after_that() -> None:
    clock = Clock()
    rest = StorageRest(clock)
    rests = []
    for _ in range(5):
        rests.append(rest.failed())
        clock.now += rests[-1]
    assert rests == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, LONGEST_S, LONGEST_S]
    rest.over()
    assert rest.failed() == FIRST_S


def test_jobs_that_fail_together_rest_together() -> None:
    clock = Clock()
    rest = StorageRest(clock)
    rest.failed()
    clock.now += FIRST_S
    first = rest.failed()
    clock.now += 1.0
    assert [rest.failed() for _ in range(100)] == [first - 1.0] * 100
    clock.now += first - 1.5
    assert rest.failed() == FIRST_S  # not at once, though the others' rest is all but over
