"""On what terms a durable job is accepted, and the fingerprint that tells two requests apart."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.governance.errors import RequestError
from app.governance.job_lifecycle import JobStatus
from app.governance.retry import RetryPolicy

MOST_NEEDED = 1_000


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What a caller may say of a job beside what is to be analyzed. Times are seconds from its acceptance.

    ``retry`` holds the fields of the retry policy that differ from the plugin's own; ``after`` the ids of the jobs
    that must end first (``after_rule``: as SUCCESS, or just end). ``key`` is the caller's idempotency key.
    """

    priority: int = 0
    delay_s: float | None = None
    deadline_s: float | None = None
    retry: Mapping[str, Any] | None = None
    after: Sequence[str] = ()
    after_rule: Literal["success", "end"] = "success"
    webhook: str | None = None
    key: str | None = None

    def policy(self, default: RetryPolicy) -> RetryPolicy:
        """Return the retry policy. Raises RequestError ``malformed_request`` for one that makes no sense."""
        if not self.retry:
            return default
        try:
            return RetryPolicy.from_json(self.retry, default)
        except ValueError as wrong:
            raise RequestError("malformed_request", f"retry: {wrong}", field="retry") from None

    def check(self, timeout_s: float | None = None) -> None:
        """Raise RequestError ``malformed_request`` for terms that no job could meet which has ``timeout_s`` in all."""
        for field, limit in (("deadline_s", self.deadline_s), ("timeout_s", timeout_s)):
            if self.delay_s and limit is not None and limit <= self.delay_s:
                said = f"{field} must be more than delay_s: the job could never run"
                raise RequestError("malformed_request", said, field=field)
        if len(self.after) > MOST_NEEDED:
            raise RequestError("malformed_request", f"a job may need at most {MOST_NEEDED} others", field="after")


@dataclass(frozen=True, slots=True)
class Submission:
    """What is asked for beside the images: plugins, the options of each, and on what terms.

    ``owner`` is who asks; ``timeout_s`` how long each job may wait and run, in all.
    """

    plugins: Sequence[str]
    options: Mapping[str, Mapping[str, Any]]
    terms: JobTerms
    owner: str | None = None
    timeout_s: float | None = None

    @classmethod
    def of_one(cls, plugin: str, options: object, terms: JobTerms, *whose: Any) -> "Submission":
        """Return the submission of a single job; ``options`` that are no object are none."""
        return cls([plugin], {plugin: options} if isinstance(options, dict) else {}, terms, *whose)

    @property
    def deadline_s(self) -> float | None:
        """Within how many seconds its jobs must have ended, if they must."""
        return min((limit for limit in (self.timeout_s, self.terms.deadline_s) if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable job that was accepted now, or, if ``replayed``, by an earlier request with the same key."""

    job_id: str
    status: JobStatus
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """The jobs of a batch, in the order of the images, for each of them in the order of the plugins."""

    batch_id: str
    job_ids: Sequence[str]
    replayed: bool = False


def fingerprint(what: Sequence[tuple[str, Mapping[str, Any], Sequence[str]]], terms: JobTerms) -> str:
    """Return the SHA-256 of a request: plugin, options and images (digest and type) of each job, and its terms.

    The order of keys in an object, and of the jobs that are needed, does not matter; nor does the key itself.
    """
    said = asdict(terms) | {"after": sorted(terms.after), "key": None}
    canonical = json.dumps([what, said], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
