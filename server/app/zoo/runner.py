"""Show animals to a server, one after the other, and look at what comes of each."""

import base64
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from app.zoo.adapters import Adapter
from app.zoo.catalog import CONTROL, OK, Animal
from app.zoo.judgement import ANSWERED, CUT_OFF, NO_ANSWER, NOT_JSON, NOT_STARTED, Call, Observation, judge
from app.zoo.servers import DidNotStart, Server, running
from app.zoo.traces import Traces, Watch, can_look
from sightgate.strict_json import read_json

CONTROL_WITHIN_S = 60.0
SETTLE_S = 8.0
_LOOK_EVERY_S = 0.05
_COMPUTING_WINDOW_S = 0.5
_COMPUTING_SHARE = 0.2  # of a core: low, because the machine may be busy with other things

# A grey pixel.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")


THE_END = Animal("the_end", "the server is asked to end, after all that", calls=((OK,),), worker="any")


@dataclass(frozen=True, slots=True)
class Row:
    """One animal's line of the report. It has passed if there are no ``faults``."""

    animal: Animal
    seen: Observation
    faults: Sequence[str]

    @property
    def passed(self) -> bool:
        return not self.faults

    def to_data(self) -> dict[str, object]:
        """Return the row as plain JSON data."""
        calls = [
            {"outcome": call.outcome, "status": call.status, "elapsed_ms": round(call.elapsed_ms, 1)}
            for call in self.seen.calls
        ]
        return {
            "animal": self.animal.name,
            "does": self.animal.does,
            "calls": calls,
            "serves": self.seen.serves,
            "worker": self.seen.worker,
            "left": None if self.seen.left is None else list(self.seen.left),
            "passed": self.passed,
            "faults": list(self.faults),
        }


class Keeper:
    """Shows animals to one server. Without a watch only its answers are judged."""

    def __init__(self, adapter: Adapter, url: str, watch: Watch | None) -> None:
        self._adapter = adapter
        self._watch = watch if can_look() else None
        # A connection for each call: what a server does to one must not be taken for what it does to the next.
        self._client = httpx.Client(base_url=url, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def close(self) -> None:
        self._client.close()

    def show(self, animal: Animal) -> Row:
        """Call the animal as often as its expectation says, then the control, then look around."""
        before = self._watch.look() if self._watch is not None else None
        calls = list(self._call_all(animal))
        serves = self.ask(CONTROL, CONTROL_WITHIN_S).outcome == OK
        left, worker = self._look_around(animal, before)
        if left is not None and calls[-1].outcome == NO_ANSWER:
            left += self._work_going_on()
        seen = Observation(calls, serves, left, worker)
        return Row(animal, seen, judge(animal, seen, tells_codes=self._adapter.tells_codes))

    def ask(self, name: str, within_s: float) -> Call:
        """Call a plugin once."""
        request = self._adapter.request(name, PNG)
        began = time.perf_counter()
        try:
            answer = self._client.post(
                request.path,
                params=dict(request.query),
                headers=dict(request.headers),
                content=request.body,
                timeout=min(within_s, self._adapter.patience_s),
            )
        except httpx.TimeoutException:
            return Call(NO_ANSWER, elapsed_ms=_since(began))
        except httpx.TransportError:
            return Call(CUT_OFF, elapsed_ms=_since(began))
        return self._read(answer, _since(began))

    def _call_all(self, animal: Animal) -> Iterator[Call]:
        for number in range(len(animal.calls)):
            if number:
                time.sleep(animal.pause_s)
            call = self.ask(animal.name, animal.within_s)
            yield call
            if call.status is None:
                return

    def _read(self, answer: httpx.Response, elapsed_ms: float) -> Call:
        status = answer.status_code
        try:
            body = read_json(answer.content)
            if answer.is_success:
                return Call(OK, status, elapsed_ms, self._adapter.read_result(body))
            code, message, details = self._adapter.read_error(body)
        except (ValueError, RecursionError, LookupError, TypeError):
            return Call(NOT_JSON if answer.is_success else f"{ANSWERED}{status}", status, elapsed_ms)
        return Call(code or f"{ANSWERED}{status}", status, elapsed_ms, details=details, message=message)

    def _look_around(self, animal: Animal, before: Traces | None) -> tuple[list[str] | None, str | None]:
        """Return what is left behind and what became of the worker, once the server has had time to clear up."""
        if self._watch is None or before is None:
            return None, None
        isolates = self._adapter.one_for_all
        until = time.monotonic() + SETTLE_S
        while True:
            now = self._watch.look()
            left = now.left_since(before, workers_may_stay=isolates)
            worker = ("kept" if now.workers - before.workers else "ended") if isolates else None
            settled = not left and (worker is None or animal.worker in ("any", worker))
            if settled or time.monotonic() > until:
                break
            time.sleep(_LOOK_EVERY_S)
        return left, worker

    def _work_going_on(self) -> list[str]:
        """Tell whether the call that nobody waits for any more is still being worked on."""
        assert self._watch is not None
        used = self._watch.computing_s()
        time.sleep(_COMPUTING_WINDOW_S)
        share = (self._watch.computing_s() - used) / _COMPUTING_WINDOW_S
        return [f"work that goes on ({share:.0%} of a core)"] if share > _COMPUTING_SHARE else []


def run_zoo(chosen: Iterable[Animal], adapter: Adapter, python: str = sys.executable) -> Iterator[Row]:
    """Start the server, or one for each animal, show the animals, and yield a row for each. Raises DidNotStart."""
    if adapter.one_for_all:
        shown = list(chosen)
        with running(adapter, [animal.name for animal in shown], python) as server, kept(adapter, server) as keeper:
            yield from (keeper.show(animal) for animal in shown)
        yield _end_of(server)
        return
    for animal in chosen:
        if not animal.ours:
            yield _shown_alone(animal, adapter, python)


def run_against(chosen: Iterable[Animal], adapter: Adapter, url: str) -> Iterator[Row]:
    """Show the animals to a server that runs already and holds them. Only its answers are judged."""
    keeper = Keeper(adapter, url, None)
    try:
        yield from (keeper.show(animal) for animal in chosen if adapter.tells_codes or not animal.ours)
    finally:
        keeper.close()


@contextmanager
def kept(adapter: Adapter, server: Server) -> Iterator[Keeper]:
    """Yield a keeper for a running server, the control's worker warm."""
    keeper = Keeper(adapter, server.url, server.watch)
    try:
        keeper.ask(CONTROL, CONTROL_WITHIN_S)
        yield keeper
    finally:
        keeper.close()


def _shown_alone(animal: Animal, adapter: Adapter, python: str) -> Row:
    try:
        with running(adapter, [animal.name], python) as server, kept(adapter, server) as keeper:
            return keeper.show(animal)
    except DidNotStart:
        # One plugin that cannot be loaded takes the whole server with it.
        seen = Observation([Call(NOT_STARTED)], serves=False)
        return Row(animal, seen, judge(animal, seen, tells_codes=adapter.tells_codes))


def _end_of(server: Server) -> Row:
    """Return a last row: what came of asking the server itself to end, after all that it was shown."""
    outcome = OK if server.exit_code == 0 else "killed" if server.exit_code is None else f"exit code {server.exit_code}"
    seen = Observation([Call(outcome)], serves=True, left=server.left_at_end)
    return Row(THE_END, seen, judge(THE_END, seen, tells_codes=True))


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
