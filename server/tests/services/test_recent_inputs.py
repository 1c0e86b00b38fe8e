import asyncio
import time

from app.services.execution.recent_inputs import RecentInput, RecentInputs

PATIENCE_S = 30.0


def recent(size: int) -> RecentInput:
    return RecentInput(b"x" * size, "image/png")


async def test_an_input_is_given_out_once() -> None:
    inputs = RecentInputs()
    inputs.put("a", recent(3))
    assert inputs.take("a") == recent(3)
    assert inputs.take("a") is None


async def test_what_finds_no_room_is_not_taken_and_what_came_first_stays() -> None:
    inputs = RecentInputs(most_bytes=10)
    inputs.put("first", recent(6))
    inputs.put("second", recent(6))
    assert inputs.take("second") is None
    assert inputs.take("first") == recent(6)
    inputs.put("third", recent(10))
    assert inputs.take("third") == recent(10)


async def test_what_nobody_takes_makes_room_after_a_while() -> None:
    inputs = RecentInputs(most_bytes=10, kept_s=0.01)
    give_up = time.monotonic() + PATIENCE_S
    inputs.put("left", recent(10))
    while inputs.take("next") is None:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)
        inputs.put("next", recent(10))
    assert inputs.take("left") is None
