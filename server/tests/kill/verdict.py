"""What must be true when all has settled, as a list of what is not."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx

from kill.ledger import ENDED, Ledger, Submission

UNCOUNTED = frozenset({"interrupted", "handed_back"})
OUTCOMES = ENDED | UNCOUNTED | {"retried"}
# What a plugin that fails, a worker that is killed, and one that is killed while it loads come to.
RETRIED = frozenset({"plugin_failed", "plugin_crashed", "plugin_unavailable"})
# Less than a lease, without which nobody could run what another still runs.
A_MOMENT = timedelta(seconds=0.5)

Jobs = Mapping[str, Mapping[str, Any]]


def faults_of(ledger: Ledger, jobs: Jobs, http: httpx.Client) -> list[str]:
    """``jobs`` are all jobs that the cluster knows, by id, as `GET /v1/jobs/{id}` shows them."""
    for job in jobs.values():
        ledger.read(job, had_ended=ledger.end_of(job["id"]) is not None)
    found = list(ledger.faults)
    for job in jobs.values():
        found += (f"{job['id']}: {what}; {_short(job)}" for what in _faults_of_job(job))
    found += _faults_of_submissions(ledger, jobs)
    found += _faults_of_needs(jobs)
    found += _faults_of_batches(ledger, jobs, http)
    return found


def faults_of_webhooks(ledger: Ledger, jobs: Jobs, told: Mapping[str, Sequence[str]]) -> list[str]:
    """``told`` are the statuses that the receiver was told of each job: at least one, and none but its end."""
    found = [f"a webhook told of {lost}, which is not there" for lost in told.keys() - jobs.keys()]
    for job in jobs.values():
        statuses = set(told.get(job["id"], ()))
        submission = ledger.submissions.get(job["options"].get("tag", ""))
        if statuses - {job["status"]}:
            found.append(f"webhooks told that {job['id']} ended as {sorted(statuses)}; {_short(job)}")
        if submission is not None and submission.webhook != bool(statuses):
            found.append(f"{job['id']} has {'a' if submission.webhook else 'no'} webhook, and it was told {statuses}")
    return found


def _faults_of_job(job: Mapping[str, Any]) -> Iterator[str]:
    """One terminal state, and all attempts accounted for."""
    if job["status"] not in ENDED:
        yield "it has not ended"
    if job["ended_at"] is None or (job["error"] is None) != (job["status"] == "SUCCESS"):
        yield "its end is not whole"
    attempts = job["attempts"]
    outcomes = [attempt["outcome"] for attempt in attempts]
    if [attempt["number"] for attempt in attempts] != list(range(1, len(attempts) + 1)):
        yield "its attempts are not numbered one after the other"
    if job["attempt"] != len(attempts):
        yield f"it counts {job['attempt']} attempts"
    if any(attempt["ended_at"] is None or attempt["outcome"] not in OUTCOMES for attempt in attempts):
        yield "an attempt has no end"
    if any(_overlap(before, one) for before, one in pairwise(attempts)):
        yield "two of its attempts ran at once"
    if ENDED & set(outcomes[:-1]):
        yield "an attempt ended it before the last"
    if outcomes and outcomes[-1] in ENDED and outcomes[-1] != job["status"]:
        yield "its last attempt ended otherwise than it"
    if job["status"] == "SUCCESS" and (not outcomes or outcomes[-1] != "SUCCESS"):
        yield "no attempt succeeded"


def _overlap(before: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    return before["ended_at"] is not None and _is_before(one["started_at"], before["ended_at"])


def _is_before(began: str, ended: str) -> bool:
    """Tell whether something that had to come after an end began before it.

    A server reads its clock before its statement has its turn, which may take a busy database a moment.
    """
    return datetime.fromisoformat(began) < datetime.fromisoformat(ended) - A_MOMENT


def _faults_of_submissions(ledger: Ledger, jobs: Jobs) -> Iterator[str]:
    """Nothing accepted is lost, nothing is there twice, and each job did what it was asked."""
    by_tag: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for job in jobs.values():
        by_tag[job["options"].get("tag", "")].append(job)
    for tag in by_tag.keys() - ledger.submissions.keys():
        yield f"nobody submitted {tag!r}"
    for submission in list(ledger.submissions.values()):
        found = by_tag[submission.tag]
        if submission.ids is not None:
            for lost in set(submission.ids) - {job["id"] for job in found}:
                yield f"{lost} of {submission.tag} was accepted and is lost"
        if len(found) != submission.jobs and (found or submission.ids is not None):
            yield f"{submission.tag} asked for {submission.jobs} jobs, and there are {len(found)}"
        for job in found:
            yield from (f"{job['id']}: {what}; {_short(job)}" for what in _faults_of_outcome(submission, job))


def _faults_of_outcome(submission: Submission, job: Mapping[str, Any]) -> Iterator[str]:
    if job["status"] == "SUCCESS":
        if job["result"]["tag"] != submission.tag or job["result"]["digest"] not in submission.digests:
            yield "its result is of another job"
        if len(job["result"]["padding"]) != job["options"]["padding"]:
            yield "its result is cut"
    counted = sum(attempt["outcome"] not in UNCOUNTED for attempt in job["attempts"])
    if counted > submission.max_attempts:
        yield f"it was tried {counted} times, and {submission.max_attempts} were allowed"
    if job["status"] == "FAILED":
        code = job["error"]["details"]["code"]
        if code in RETRIED and counted < submission.max_attempts and submission.max_attempts > 1:
            yield f"it was given up after {counted} of {submission.max_attempts} tries"
        if code not in RETRIED | {"dependency_failed"}:
            yield f"it failed as {code}"
    if tuple(sorted(job["needs"])) != submission.needs:
        yield f"it was to need {submission.needs}"


def _faults_of_needs(jobs: Jobs) -> Iterator[str]:
    """A job ran only after what it needs had ended, and ended as its rule asks."""
    for job in jobs.values():
        needed = [jobs[need] for need in job["needs"] if need in jobs]
        if len(needed) != len(job["needs"]):
            yield f"{job['id']} needs a job that is not there"
        began = job["attempts"][0]["started_at"] if job["attempts"] else None
        if began is not None and any(one["ended_at"] is None or _is_before(began, one["ended_at"]) for one in needed):
            yield f"{job['id']} began before what it needs had ended"
        unmet = job.get("after_rule", "success") == "success" and any(one["status"] != "SUCCESS" for one in needed)
        if unmet and began is not None:
            yield f"{job['id']} ran, though what it needs did not succeed"
        failed_so = job["status"] == "FAILED" and job["error"]["details"]["code"] == "dependency_failed"
        if failed_so and not unmet:
            yield f"{job['id']} failed for what it needs, which succeeded"


def _faults_of_batches(ledger: Ledger, jobs: Jobs, http: httpx.Client) -> Iterator[str]:
    for submission in list(ledger.submissions.values()):
        if submission.batch is None:
            continue
        batch = http.get(f"/v1/batches/{submission.batch}").json()
        counts = Counter(jobs[one]["status"] for one in submission.ids or () if one in jobs)
        told = {status: number for status, number in batch.get("counts", {}).items() if number}
        if (batch.get("total"), batch.get("done"), told) != (submission.jobs, submission.jobs, dict(counts)):
            yield f"the batch of {submission.tag} says {batch}, and its jobs {dict(counts)}"


def _short(job: Mapping[str, Any]) -> str:
    names = (
        "status",
        "attempt",
        "attempts",
        "created_at",
        "started_at",
        "ended_at",
        "needs",
        "error",
        "cancel_requested",
    )
    return str({name: job.get(name) for name in names})[:1500]
