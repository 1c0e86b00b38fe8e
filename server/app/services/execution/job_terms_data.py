"""Terms of a job as JSON has them, checked field by field."""

import re
from collections.abc import Mapping
from typing import Any, cast

from app.governance.errors import RequestError, shorten
from app.services.execution.job_terms import JobTerms

LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100
LONGEST_S = 366 * 86_400
LONGEST_WEBHOOK = 2_000

_ID = re.compile(r"[0-9a-f]{32}")


def terms_from(data: Mapping[str, Any], key: str | None = None) -> JobTerms:
    """Return the terms that an object describes; fields that are none of theirs are left alone.

    Raises RequestError naming the field that is wrong.
    """
    return JobTerms(
        priority=_priority(data.get("priority")),
        delay_s=_seconds("delay_s", data.get("delay_s")),
        deadline_s=_seconds("deadline_s", data.get("deadline_s"), above_zero=True),
        retry=_retry(data.get("retry")),
        after=_after(data.get("after")),
        after_rule=_after_rule(data.get("after_rule")),
        webhook=_webhook(data.get("webhook")),
        key=key,
    )


def _priority(value: object) -> int:
    if value is None:
        return 0
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not LOWEST_PRIORITY <= cast(int, value) <= HIGHEST_PRIORITY:
        raise _wrong("priority", f"priority must be a whole number, {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}")
    return cast(int, value)


def _seconds(name: str, value: object, *, above_zero: bool = False) -> float | None:
    if value is None:
        return None
    # Compared before it is converted: JSON's whole numbers may be larger than any float.
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
    if 0 <= number <= LONGEST_S and (number > 0 or not above_zero):
        return float(number)
    least = "above 0" if above_zero else "at least 0"
    raise _wrong(name, f"{name} must be a number of seconds, {least} and at most {LONGEST_S}")


def _retry(value: object) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        fields = "max_attempts, codes, backoff_s, factor, max_backoff_s, jitter"
        raise _wrong("retry", f"retry must be an object with {fields}")
    return value


def _after(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong("after", "after must be a list of the ids of jobs")
    stranger = next((one for one in value if not _ID.fullmatch(one)), None)
    if stranger is not None:
        raise _wrong("after", f"{shorten(stranger)!r} is no id of a job")
    return tuple(dict.fromkeys(value))


def _after_rule(value: object) -> Any:
    if value not in (None, "success", "end"):
        raise _wrong("after_rule", "after_rule must be success or end")
    return value or "success"


def _webhook(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_WEBHOOK:
        raise _wrong("webhook", f"webhook must be an address of at most {LONGEST_WEBHOOK} characters")
    return value


def _wrong(field: str, said: str) -> RequestError:
    return RequestError("malformed_request", said, field=field)
