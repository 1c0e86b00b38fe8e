"""The loop that workers live on, and the way onto it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from app.plugins.sandbox.home_loop import HomeLoop

marked: ContextVar[str] = ContextVar("marked", default="nothing")


async def where() -> int:
    return threading.get_ident()


def test_without_a_server_it_is_one_thread_of_its_own() -> None:
    home = HomeLoop()
    first, second = home.run(where()), home.run(where())
    assert first == second != threading.get_ident()
    home.close()


def test_work_is_done_in_the_callers_context() -> None:
    async def look() -> str:
        return marked.get()

    home = HomeLoop()
    marked.set("the caller's")
    assert home.run(look()) == "the caller's"
    home.close()


def test_what_the_work_raises_comes_out() -> None:
    async def fail() -> None:
        raise ValueError("bad")

    home = HomeLoop()
    with pytest.raises(ValueError, match="bad"):
        home.run(fail())
    assert home.run(where())
    home.close()


def test_many_threads_may_ask_at_once() -> None:
    async def echo(number: int) -> int:
        await asyncio.sleep(0)
        return number

    home = HomeLoop()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda number: home.run(echo(number)), range(200))) == list(range(200))
    home.close()


async def test_an_adopted_loop_serves_other_threads() -> None:
    home = HomeLoop()
    home.adopt()
    home.adopt()
    assert await asyncio.to_thread(home.run, where()) == threading.get_ident()


async def test_waiting_on_the_loops_own_thread_raises() -> None:
    home = HomeLoop()
    home.adopt()
    with pytest.raises(RuntimeError, match="own thread"):
        home.run(where())


async def test_another_loops_thread_may_wait() -> None:
    home = HomeLoop()
    assert home.run(where()) != threading.get_ident()
    with pytest.raises(RuntimeError, match="another event loop"):
        home.adopt()
    home.close()


def test_a_closed_home_can_be_used_again() -> None:
    home = HomeLoop()
    home.close()
    assert home.run(where())
    home.close()
    assert home.run(where())
    home.close()
