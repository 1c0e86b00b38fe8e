"""When a plugin breaks too often, it rests: a circuit breaker, and the inputs that break it. Pure objects."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sightgate.errors import counted

WORKER_ENDS = frozenset({"plugin_crashed", "plugin_timeout", "plugin_out_of_memory", "plugin_out_of_disk"})
# What only a plugin that ran to its end can be told: success, or a failure of its own. A broken image or wrong options
# are not among them: the gate may have refused those without calling the plugin.
ANSWERS = frozenset({None, "plugin_failed", "invalid_output", "output_too_large"})
REMEMBERED_INPUTS = 1_000


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Opens after ``ends`` ends of a worker within ``within_s``; lets one call try after ``rest_s`` seconds.

    Each rest that follows on another is twice as long, up to ``longest_rest_s``; a breaker that was closed for
    ``within_s`` begins anew.
    """

    ends: int = 5
    within_s: float = 60.0
    rest_s: float = 30.0
    longest_rest_s: float = 480.0
    quarantine_after: int = 3

    def rest_after(self, rests: int) -> float:
        """Return the seconds that the last of so many rests lasts."""
        doubled: float = self.rest_s * 2.0 ** min(max(0, rests - 1), 32)
        return min(doubled, max(self.rest_s, self.longest_rest_s))


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Fed with the outcome codes of one plugin's calls (``None`` is success); says whether another may run.

    While it is open or half-open only the call that tries decides: what was in flight before ends as it may.
    ``trial`` is the number of that call, 0 when none tries.
    """

    def __init__(self, rules: BreakerRules, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=rules.ends)
        self._opened_at = 0.0
        self._closed_at: float | None = None
        self._trials = 0
        self.rests = 0
        self.state = BreakerState.CLOSED
        self.reason = ""

    @property
    def trial(self) -> int:
        return self._trials if self.state is BreakerState.HALF_OPEN else 0

    def allows(self) -> bool:
        """Tell whether a call may run now. An open breaker that has rested lets one through to try."""
        if self.state is BreakerState.CLOSED:
            return True
        if self.state is BreakerState.OPEN and self.retry_after_s() <= 0:
            self.state = BreakerState.HALF_OPEN
            self._trials += 1
            return True
        return False

    def retry_after_s(self) -> float:
        """Return the seconds until a call may try; 0 when one may now."""
        return max(0.0, self._opened_at + self._rules.rest_after(self.rests) - self._clock())

    def rests_now(self) -> bool:
        """Tell whether a call would be refused now, without letting one through."""
        return self.state is BreakerState.HALF_OPEN or (self.state is BreakerState.OPEN and self.retry_after_s() > 0)

    def record(self, code: str | None, trial: int = 0) -> bool:
        """Note how a call ended, with the ``trial`` that it was; tells whether that opened or closed it."""
        if self.state is BreakerState.CLOSED:
            return code in WORKER_ENDS and self._ended_with(str(code))
        if not trial or trial != self.trial:
            return False
        if code in WORKER_ENDS:
            self.open(f"its worker ended when it was tried again, with {code}")
        elif code == "plugin_unavailable":
            self.open(self.reason)
        elif code in ANSWERS:
            self.close()
        else:
            self.give_up_trial(trial)
            return False
        return True

    def _ended_with(self, code: str) -> bool:
        self._ends.append(self._clock())
        if len(self._ends) < self._rules.ends or self._ends[-1] - self._ends[0] > self._rules.within_s:
            return False
        self.open(
            f"its worker ended {counted(len(self._ends), 'time')} within {self._rules.within_s:g} s, last with {code}"
        )
        return True

    def open(self, reason: str) -> None:
        """Refuse calls from now on, for a while: longer each time that it did not help."""
        now = self._clock()
        if self._closed_at is not None and now - self._closed_at > self._rules.within_s:
            self.rests = 0
        self._closed_at = None
        self.rests += 1
        self.state, self.reason, self._opened_at = BreakerState.OPEN, reason, now

    def close(self, *, forget: bool = False) -> None:
        """Let every call run. With ``forget``, the next rest is a first one."""
        self.state, self.reason = BreakerState.CLOSED, ""
        self._ends.clear()
        self._closed_at = self._clock()
        if forget:
            self.rests = 0

    def give_up_trial(self, trial: int) -> None:
        """The call that was to try shows nothing of the plugin: another may try at once."""
        if trial and trial == self.trial:
            self.state = BreakerState.OPEN


class Quarantine:
    """Counts, by hash, the inputs that crashed one plugin's worker. Bounded; the oldest are forgotten."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._crashes: OrderedDict[str, int] = OrderedDict()
        self._held = 0

    @property
    def refuses_any(self) -> bool:
        """Whether there is an input to refuse: else nobody need compute a hash."""
        return self._held > 0

    def holds(self, digest: str) -> bool:
        return self._crashes.get(digest, 0) >= self._after

    def digests(self) -> list[str]:
        """Return the inputs that are refused."""
        return [digest for digest, crashes in self._crashes.items() if crashes >= self._after]

    def crashed(self, digest: str) -> None:
        crashes = self._crashes[digest] = self._crashes.pop(digest, 0) + 1
        self._held += crashes == self._after
        if len(self._crashes) > REMEMBERED_INPUTS:
            _, forgotten = self._crashes.popitem(last=False)
            self._held -= forgotten >= self._after
