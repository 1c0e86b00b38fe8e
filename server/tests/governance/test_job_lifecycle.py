import pytest

from app.governance.job_lifecycle import (
    TERMINAL,
    IllegalTransition,
    JobStatus,
    check_transition,
    is_terminal,
    predecessors,
)

P, R, S, F, C = JobStatus
ALLOWED = {(P, R), (P, F), (P, C), (R, S), (R, F), (R, C), (R, P)}


@pytest.mark.parametrize("old", JobStatus)
@pytest.mark.parametrize("new", JobStatus)
def test_exactly_the_listed_transitions_are_allowed(old: JobStatus, new: JobStatus) -> None:
    if (old, new) in ALLOWED:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransition) as refused:
            check_transition(old, new)
        assert (refused.value.old, refused.value.new) == (old, new)
    assert (old in predecessors(new)) == ((old, new) in ALLOWED)


def test_the_three_ends_are_terminal_and_nothing_else() -> None:
    assert {S, F, C} == TERMINAL == {status for status in JobStatus if is_terminal(status)}


def test_every_status_has_a_sentence() -> None:
    assert all(status.sentence.endswith(".") for status in JobStatus)
    assert len({status.sentence for status in JobStatus}) == len(JobStatus)
