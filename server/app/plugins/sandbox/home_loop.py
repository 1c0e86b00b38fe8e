"""The one event loop that workers live on, and the way onto it from other threads."""

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class HomeLoop:
    """The loop that owns all workers: the server's own (``adopt``), else a thread of its own, started when needed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def adopt(self) -> None:
        """Make the running loop the home loop. Raises RuntimeError if there is another one already."""
        running = asyncio.get_running_loop()
        with self._lock:
            if self._loop not in (None, running):
                raise RuntimeError("the workers live on another event loop already")
            self._loop = running

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the home loop and wait for it, in the caller's context.

        Raises RuntimeError on the home loop's own thread, where waiting would never end.
        """
        loop = self._started()
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is loop:
            work.close()
            raise RuntimeError("this is the event loop's own thread: await the _async twin instead")
        done: Future[T] = Future()
        context = contextvars.copy_context()
        loop.call_soon_threadsafe(_spawn, loop, work, done, context)
        return done.result()

    def close(self) -> None:
        """End the loop's own thread, if it has one."""
        with self._lock:
            thread, loop = self._thread, self._loop
            self._thread = self._loop = None
        if thread is not None and loop is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="sightgate-loop", daemon=True)
                self._thread.start()
            return self._loop


def _spawn(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], done: "Future[T]", context: contextvars.Context
) -> None:
    task = loop.create_task(work, context=context)

    def finish(ended: "asyncio.Task[T]") -> None:
        if ended.cancelled():
            done.cancel()
        elif (failure := ended.exception()) is not None:
            done.set_exception(failure)
        else:
            done.set_result(ended.result())

    task.add_done_callback(finish)
