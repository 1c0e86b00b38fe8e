"""What all steps share: who acts and when, and how parameters are written down."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.governance.error_envelope import build_error_envelope
from app.governance.errors import CallEnded
from app.storage.records import Job, JsonObject, Row, to_micros
from app.storage.statement import Answer, Query, Statement, Steps

_encode = msgspec.json.Encoder().encode


def system_clock() -> datetime:
    """Return now."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Actor:
    """The server that acts. ``gone_s``: seconds without a sign of life after which another server is taken for gone."""

    server_id: str
    shared: bool = False
    clock: Callable[[], datetime] = system_clock
    gone_s: float = 45.0

    def now(self) -> int:
        """Return the time in microseconds since 1970 UTC, by the store's clock."""
        return to_micros(self.clock())

    def times(self) -> dict[str, Any]:
        """Return the parameters ``now`` and ``clock_now``."""
        now = self.now()
        return {"now": now, "clock_now": now}

    def lease(self, until: datetime) -> dict[str, Any]:
        """Return the parameters of a statement that makes or renews leases."""
        now = self.now()
        return {"server": self.server_id, "now": now, "clock_now": now, "lease_us": to_micros(until) - now}


def texts(values: Collection[str]) -> str:
    """Return the parameter of `ids_parameter`."""
    return _encode(list(values)).decode()


def rows_parameter(rows: Sequence[Row]) -> dict[str, str]:
    """Return the parameter of `given`."""
    return {"rows": _encode(rows).decode()}


def select(statement: Statement, parameters: Mapping[str, Any] | None = None) -> Steps[Sequence[Sequence[Any]]]:
    """Return the rows."""
    answer: Answer = yield Query(statement, parameters or {})
    return answer.rows


def error_of(code: str, job: Job, message: str = "", **details: Any) -> JsonObject:
    """Return the envelope's error part for a job that ended, or could not begin, for a reason that is the store's."""
    ended = CallEnded(code, message, job_id=job.id, **details)
    error: JsonObject = build_error_envelope(ended, job.plugin)["error"]
    return error
