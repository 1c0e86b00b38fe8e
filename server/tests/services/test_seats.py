"""The queue in front of one plugin."""

import asyncio

import pytest

from app.governance.errors import PluginRefused
from app.services.execution.seats import Seats


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_as_many_sit_as_there_are_seats() -> None:
    seats = Seats(2)
    assert [seats.try_take() for _ in range(3)] == [True, True, False]
    assert (seats.free, seats.taken) == (0, 2)
    seats.release()
    assert (seats.free, seats.try_take()) == (1, True)


async def test_a_freed_seat_goes_to_the_one_who_waited_longest() -> None:
    seats, order = Seats(1), []
    seats.try_take()

    async def wait(number: int) -> None:
        await seats.wait(None, None)
        order.append(number)

    waiters = [asyncio.create_task(wait(number)) for number in range(5)]
    await settle()
    assert seats.waiting == 5
    for expected in range(5):
        seats.release()
        await settle()
        assert order == list(range(expected + 1))
    await asyncio.gather(*waiters)
    assert (seats.taken, seats.waiting) == (1, 0)


async def test_nobody_passes_those_who_wait() -> None:
    seats = Seats(1)
    seats.try_take()
    waiter = asyncio.create_task(seats.wait(None, None))
    await settle()
    seats.release()
    assert seats.try_take() is False  # the seat is the waiter's, even before it has woken
    await waiter


async def test_no_more_wait_than_allowed() -> None:
    seats = Seats(1)
    seats.try_take()
    waiters = [asyncio.create_task(seats.wait(2, None)) for _ in range(2)]
    await settle()
    with pytest.raises(PluginRefused) as refused:
        await seats.wait(2, None)
    assert (refused.value.code, refused.value.details) == ("overloaded", {"waiting": 2, "limit": 2})
    patient = asyncio.create_task(seats.wait(None, None))
    await settle()
    assert seats.waiting == 3
    for waiter in (*waiters, patient):
        seats.release()
        await waiter


async def test_none_may_wait_where_the_limit_is_zero() -> None:
    seats = Seats(1)
    seats.try_take()
    with pytest.raises(PluginRefused):
        await seats.wait(0, None)


async def test_a_waiter_gives_up_after_its_time_and_keeps_no_place() -> None:
    seats = Seats(1)
    seats.try_take()
    with pytest.raises(PluginRefused) as refused:
        await seats.wait(1, 0.01)
    assert (refused.value.code, refused.value.details) == ("overloaded", {"limit_s": 0.01})
    assert seats.waiting == 0
    waiter = asyncio.create_task(seats.wait(1, None))
    await settle()
    seats.release()
    await waiter
    assert seats.taken == 1


async def test_a_waiter_that_leaves_keeps_no_place() -> None:
    seats = Seats(1)
    seats.try_take()
    leaver, stayer = asyncio.create_task(seats.wait(None, None)), asyncio.create_task(seats.wait(None, None))
    await settle()
    leaver.cancel()
    await settle()
    seats.release()
    await stayer
    assert (seats.taken, seats.waiting) == (1, 0)


async def test_a_seat_that_comes_as_its_waiter_leaves_is_the_next_ones() -> None:
    seats = Seats(1)
    seats.try_take()
    leaver, stayer = asyncio.create_task(seats.wait(None, None)), asyncio.create_task(seats.wait(None, None))
    await settle()
    seats.release()  # the leaver's turn is set
    leaver.cancel()  # before it has woken
    await settle()
    assert leaver.cancelled()
    await stayer
    assert seats.taken == 1
    seats.release()
    assert seats.taken == 0


async def test_with_fewer_seats_than_sitters_a_release_frees_none() -> None:
    seats = Seats(2)
    seats.try_take()
    seats.try_take()
    waiter = asyncio.create_task(seats.wait(None, None))
    await settle()
    seats.resize(1)
    seats.release()
    await settle()
    assert (seats.taken, waiter.done()) == (1, False)
    seats.release()
    await waiter
    assert seats.taken == 1


async def test_seats_that_are_added_go_to_those_who_wait() -> None:
    seats = Seats(1)
    seats.try_take()
    waiters = [asyncio.create_task(seats.wait(None, None)) for _ in range(3)]
    await settle()
    seats.resize(3)
    await settle()
    assert [waiter.done() for waiter in waiters] == [True, True, False]
    assert (seats.taken, seats.waiting, seats.try_take()) == (3, 1, False)
    seats.release()
    await asyncio.gather(*waiters)
    assert (seats.taken, seats.waiting) == (3, 0)


async def test_those_who_are_sent_away_are_told_why_and_keep_no_place() -> None:
    seats = Seats(1)
    seats.try_take()
    waiters = [asyncio.create_task(seats.wait(None, None)) for _ in range(3)]
    await settle()
    seats.send_away(lambda: PluginRefused("plugin_unavailable", "it rests"))
    waiters[0].cancel()  # before it has heard of it
    ends = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, PluginRefused, PluginRefused]
    assert (seats.taken, seats.waiting) == (1, 0)
    seats.release()
    assert (seats.taken, seats.try_take()) == (0, True)


async def test_whatever_happens_no_seat_is_lost_and_none_is_given_twice() -> None:
    seats, sitting, most = Seats(3), 0, 0

    async def visit(number: int) -> None:
        nonlocal sitting, most
        if not seats.try_take():
            await seats.wait(None, 0.001 if number % 7 == 0 else None)
        sitting += 1
        most = max(most, sitting)
        try:
            await asyncio.sleep(0.0005 * (number % 3))
        finally:
            sitting -= 1
            seats.release()

    visits = [asyncio.create_task(visit(number)) for number in range(300)]
    await settle()
    for visitor in visits[::5]:
        visitor.cancel()
    ends = await asyncio.gather(*visits, return_exceptions=True)
    assert {type(end) for end in ends} <= {type(None), PluginRefused, asyncio.CancelledError}
    assert (most, seats.taken, seats.waiting) == (3, 0, 0)
