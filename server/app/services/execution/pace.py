"""How many jobs to claim ahead of a plugin's seats, learned from how long claims and calls take."""

# Before anything was learned, milliseconds.
_FIRST_PASS_MS = 5.0
# Claims that take longer tell of a store in trouble, not of one that should be asked for more.
_LONGEST_MS = 100.0
_SHORTEST_CALL_MS = 0.05
_MOST_AHEAD = 64
# A moving mean over about so many.
_MEAN_OVER = 10


class Pace:
    """Means of milliseconds: of a pass that claims, from a claim to the queue for a seat, of each plugin's calls."""

    def __init__(self) -> None:
        self._pass_ms = _FIRST_PASS_MS
        self._loading_ms = 0.0
        self._call_ms: dict[str, float] = {}

    def claimed(self, milliseconds: float) -> None:
        """Learn how long the dispatcher took to look and to claim."""
        self._pass_ms = _moved(self._pass_ms, min(milliseconds, _LONGEST_MS))

    def ran(self, plugin: str, loading_ms: float, call_ms: float) -> None:
        """Learn how long a job took from its claim to the queue for a seat, and how long its call took."""
        self._loading_ms = _moved(self._loading_ms, min(loading_ms, _LONGEST_MS))
        self._call_ms[plugin] = _moved(self._call_ms.get(plugin, call_ms), call_ms)

    def ahead(self, plugin: str, seats: int) -> int:
        """Return how many jobs should wait for the plugin's seats beyond those that are free.

        As many as end until the claim after this one has brought others: quick plugins would rest meanwhile. A slow
        plugin has none, so that other servers, and jobs of a higher priority, find them.
        """
        call_ms = self._call_ms.get(plugin)
        if call_ms is None:
            return 0
        until_next_ms = 2 * self._pass_ms + self._loading_ms
        return min(_MOST_AHEAD, int(seats * until_next_ms / max(call_ms, _SHORTEST_CALL_MS)))


def _moved(mean: float, value: float) -> float:
    return mean + (value - mean) / _MEAN_OVER
