"""Who wants to know whether a store can be reached costs it at most one question a second."""

import asyncio

from app.storage.reachability import FRESH_S, Reachability


class Store:
    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0
        self.trouble: str | None = None

    def clock(self) -> float:
        return self.now

    async def look(self) -> str | None:
        self.looks += 1
        await asyncio.sleep(0)
        return self.trouble


async def test_all_who_ask_at_once_share_one_look_and_its_answer_is_fresh_for_a_second() -> None:
    store = Store()
    store.trouble = "away"
    reachability = Reachability(store.look, store.clock)
    assert set(await asyncio.gather(*(reachability.trouble() for _ in range(50)))) == {"away"}
    store.trouble = None
    assert await reachability.trouble() == "away"
    assert store.looks == 1
    store.now += FRESH_S
    assert await reachability.trouble() is None
    assert store.looks == 2


async def test_a_store_that_has_just_answered_somebody_is_not_asked() -> None:
    store = Store()
    store.trouble = "away"
    reachability = Reachability(store.look, store.clock)
    assert await reachability.trouble() == "away"
    reachability.proved()
    assert await reachability.trouble() is None
    assert store.looks == 1


async def test_one_who_asks_and_leaves_takes_the_answer_from_nobody() -> None:
    store = Store()
    reachability = Reachability(store.look, store.clock)
    leaving, staying = (asyncio.create_task(reachability.trouble()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying is None
    assert store.looks == 1
