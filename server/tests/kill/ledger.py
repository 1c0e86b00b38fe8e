"""What the clients know: what was accepted, under which key, and which ends they have read."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"SUCCESS", "FAILED", "CANCELLED"})


@dataclass
class Submission:
    """One request to run something. ``tag`` is in its jobs' options, so that all its jobs can be found.

    ``ids`` are those of the answer; None while no answer has come. With a ``key`` it is sent again until one has.
    """

    tag: str
    jobs: int
    digests: frozenset[str]
    key: str | None = None
    needs: tuple[str, ...] = ()
    after_rule: str = "success"
    max_attempts: int = 1
    webhook: bool = False
    ids: tuple[str, ...] | None = None
    batch: str | None = None


@dataclass
class Ledger:
    """Filled by all clients at once."""

    submissions: dict[str, Submission] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)
    _ends: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sending(self, submission: Submission) -> None:
        with self._lock:
            self.submissions[submission.tag] = submission

    def accepted(self, submission: Submission, ids: tuple[str, ...], batch: str | None = None) -> None:
        """Note an answer. Another one to the same key must name the same jobs."""
        with self._lock:
            if submission.ids is None:
                submission.ids, submission.batch = ids, batch
                self._ids += ids
            elif (submission.ids, submission.batch) != (ids, batch):
                self.faults.append(f"the key of {submission.tag} gave {submission.ids}, then {ids}")

    def read(self, job: Mapping[str, Any], had_ended: bool = False) -> None:
        """Note a job as it was read: an end that was read once never changes.

        ``had_ended``: its end was known when it was asked for. An answer that was on its way meanwhile may be older.
        """
        if job["status"] not in ENDED:
            with self._lock:
                if had_ended:
                    self.faults.append(f"{job['id']} had ended as {self._ends[job['id']]}, and is {job['status']}")
            return
        end = {name: job.get(name) for name in ("status", "ended_at", "error", "result")}
        with self._lock:
            before = self._ends.setdefault(job["id"], end)
            if before != end:
                self.faults.append(f"{job['id']} had ended as {before}, and now as {end}")

    def fault(self, what: str) -> None:
        with self._lock:
            self.faults.append(what)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def ids(self) -> list[str]:
        with self._lock:
            return list(self._ids)

    def end_of(self, job_id: str) -> Mapping[str, Any] | None:
        with self._lock:
            return self._ends.get(job_id)
