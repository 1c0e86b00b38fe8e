"""The store beside a dictionary: whatever is asked in whatever order, both answer the same."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from support.postgres_server import PostgresServer
from support.stores import Place, PostgresPlace, SqlitePlace

from app.governance.job_lifecycle import IllegalTransition, JobStatus, check_transition, is_terminal
from app.storage.errors import DependencyMissing, JobExists, JobMissing, KeyConflict, KeyUsed, LeaseLost
from app.storage.job_ids import new_job_id
from app.storage.records import AfterRule, IdempotencyKey, Job, JobEnd, JobFilter, NewJob
from app.storage.store import JobStore


class Fields(TypedDict):
    """What each new job is given."""

    plugin: st.SearchStrategy[str]
    priority: st.SearchStrategy[int]
    text: st.SearchStrategy[str]


NOW = datetime(2030, 1, 2, tzinfo=UTC)
PLUGINS = ("a", "b")
ENDS = st.sampled_from([status for status in JobStatus if is_terminal(status)])
FIELDS: Fields = {
    "plugin": st.sampled_from(PLUGINS),
    "priority": st.integers(-1, 1),
    "text": st.text("ab\n", max_size=5),
}
REFUSALS = (IllegalTransition, JobMissing, LeaseLost, DependencyMissing, KeyUsed, KeyConflict)
MINUTE = timedelta(minutes=1)


class Model:
    """The rules of jobs, said once more in the plainest way: a dictionary of jobs, and of what needs what."""

    def __init__(self) -> None:
        self.now = NOW
        self.jobs: dict[str, Job] = {}
        self.needs: dict[str, list[str]] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.outcomes: dict[str, list[str | None]] = {}
        self.hooks: dict[str, datetime] = {}  # and since when they are due

    def add(self, job: Job, after: Sequence[str], key: IdempotencyKey | None) -> None:
        if any(needed not in self.jobs for needed in after):
            raise DependencyMissing([needed for needed in after if needed not in self.jobs])
        if key is not None and key.key in self.keys:
            fingerprint, existing = self.keys[key.key]
            raise KeyUsed(existing) if fingerprint == key.fingerprint else KeyConflict
        if key is not None:
            self.keys[key.key] = (key.fingerprint, job.id)
        self.jobs[job.id], self.needs[job.id], self.outcomes[job.id] = job, list(dict.fromkeys(after)), []
        for needed in self.needs[job.id]:
            self.judge(job.id, needed)
        if not is_terminal(self.jobs[job.id].status):
            blocked = sum(not is_terminal(self.jobs[one].status) for one in self.needs[job.id])
            self.jobs[job.id] = replace(self.jobs[job.id], blocked=blocked)

    def judge(self, job_id: str, needed: str) -> None:
        job, status = self.jobs[job_id], self.jobs[needed].status
        if job.status is JobStatus.PENDING and is_terminal(status):
            if status is not JobStatus.SUCCESS and job.after_rule == "success":
                self.set_end(job_id, JobStatus.FAILED, error_code="dependency_failed", ended_at=self.now)
            elif job.blocked:
                self.jobs[job_id] = replace(job, blocked=job.blocked - 1)

    def set_end(self, job_id: str, status: JobStatus, outcome: str | None = None, **fields: Any) -> None:
        job = self.jobs[job_id]
        check_transition(job.status, status)
        if self.outcomes.get(job_id) and job.status is JobStatus.RUNNING:
            self.outcomes[job_id][-1] = outcome or status.value
        self.jobs[job_id] = replace(job, status=status, lease_owner=None, lease_until=None, **fields)
        if job.webhook and job.durable:
            self.hooks[job_id] = self.now
        for needing in sorted(one for one, needed in self.needs.items() if job_id in needed):
            self.judge(needing, job_id)

    def end(self, end: JobEnd, server_id: str) -> None:
        if end.job_id not in self.jobs:
            raise JobMissing
        job = self.jobs[end.job_id]
        if (job.status, job.attempt, job.ended_at) == (end.status, end.attempt, end.ended_at):
            return
        check_transition(job.status, end.status)
        if job.durable and job.status is JobStatus.RUNNING:
            self.check_lease(job, end.attempt, server_id)
        self.set_end(end.job_id, end.status, result=end.result, ended_at=end.ended_at, waiting_ms=1.0, running_ms=2.0)

    def check_lease(self, job: Job, attempt: int | None, server_id: str) -> None:
        held = job.status is JobStatus.RUNNING and job.durable and job.lease_owner == server_id
        if not held or job.attempt != attempt:
            raise LeaseLost

    def put_back(self, job_id: str, attempt: int, outcome: str, later: datetime | None, server_id: str) -> None:
        job = self.jobs[job_id]
        self.check_lease(job, attempt, server_id)
        self.wait_again(job_id, outcome, later)

    def wait_again(self, job_id: str, outcome: str, later: datetime | None = None) -> None:
        job = self.jobs[job_id]
        if job.cancel_requested:
            self.set_end(job_id, JobStatus.CANCELLED, outcome, error_code="cancelled", ended_at=self.now)
            return
        self.outcomes[job_id][-1] = outcome
        not_before = later if later is not None and later > self.now else job.not_before
        self.jobs[job_id] = replace(
            job,
            status=JobStatus.PENDING,
            not_before=not_before,
            started_at=None,
            lease_owner=None,
            lease_until=None,
        )

    def cancel(self, job_id: str) -> None:
        job = self.jobs[job_id]
        if job.status is JobStatus.RUNNING:
            self.jobs[job_id] = replace(job, cancel_requested=True)
            return
        self.set_end(job_id, JobStatus.CANCELLED, error_code="cancelled", ended_at=self.now)

    def expire(self) -> set[str]:
        before = {job_id for job_id, job in self.jobs.items() if is_terminal(job.status)}
        for job in sorted(self.jobs.values(), key=lambda one: one.deadline or NOW):
            late = job.deadline is not None and job.deadline <= self.now
            if late and job.durable and self.jobs[job.id].status is JobStatus.PENDING:
                self.set_end(job.id, JobStatus.FAILED, error_code="deadline_exceeded", ended_at=self.now)
        return {job_id for job_id, job in self.jobs.items() if is_terminal(job.status)} - before

    def claimable(self, plugin: str) -> list[Job]:
        jobs = [job for job in self.jobs.values() if job.plugin == plugin and job.durable and not job.blocked]
        jobs = [job for job in jobs if job.status is JobStatus.PENDING]
        jobs = [job for job in jobs if job.not_before is None or job.not_before <= self.now]
        return sorted(jobs, key=lambda job: (-job.priority, job.id))

    def in_time(self, plugin: str) -> list[Job]:
        return [job for job in self.claimable(plugin) if job.deadline is None or job.deadline > self.now]


class StoreBesideDictionary(RuleBasedStateMachine):
    """``make_place`` says where the store keeps its database."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.place = self.make_place(Path(self.folder.name))
        self.model = Model()
        self.lost = 0
        self.store = self.open()

    def make_place(self, folder: Path) -> Place:
        raise NotImplementedError

    def open(self) -> JobStore:
        async def opened() -> JobStore:
            return await self.place.open(linger_s=0.001, clock=lambda: self.model.now)

        return self.runner.run(opened())

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def both(self, ask: Any, act: Any) -> Any:
        """Do it to the store and to the model; they refuse alike. Returns what the store answered."""
        expected: type | None = None
        try:
            act()
        except REFUSALS as refusal:
            expected = type(refusal)
        try:
            answer = self.runner.run(ask)
        except REFUSALS as refusal:
            assert type(refusal) is expected
            return None
        assert expected is None
        return answer

    @rule(
        target=jobs,
        **FIELDS,
        after=st.lists(jobs, max_size=2),
        after_rule=st.sampled_from(["success", "end"]),
        key=st.none() | st.sampled_from(["k1", "k2"]),
        fingerprint=st.sampled_from(["x", "y"]),
        delay=st.none() | st.integers(-1, 2),
        deadline=st.none() | st.integers(1, 3),
        webhook=st.booleans(),
    )
    def add(
        self,
        plugin: str,
        priority: int,
        text: str,
        after: list[str],
        after_rule: AfterRule,
        key: str | None,
        fingerprint: str,
        delay: int | None,
        deadline: int | None,
        webhook: bool,
    ) -> str:
        job = Job(
            new_job_id(),
            plugin,
            JobStatus.PENDING,
            NOW,
            True,
            {"text": text},
            priority=priority,
            after_rule=after_rule,
            not_before=None if delay is None else self.model.now + delay * MINUTE,
            deadline=None if deadline is None else self.model.now + deadline * MINUTE,
            webhook="https://example.org" if webhook else None,
        )
        named = None if key is None else IdempotencyKey("scope", key, fingerprint)
        answer = self.both(
            self.store.add([NewJob(job, (), after)], key=named), lambda: self.model.add(job, after, named)
        )
        if answer is not None:
            self.agree(answer[0])
        return job.id if answer is not None else next(iter(self.model.jobs), job.id)

    @rule(plugin=st.sampled_from(PLUGINS))
    def add_what_needs_the_unknown(self, plugin: str) -> None:
        job, unknown = Job(new_job_id(), plugin, JobStatus.PENDING, NOW, True), new_job_id()
        self.both(self.store.add([NewJob(job, (), [unknown])]), lambda: self.model.add(job, [unknown], None))

    @rule(job_id=jobs)
    def add_again(self, job_id: str) -> None:
        if job_id not in self.model.jobs:
            return
        with pytest.raises(JobExists):
            self.runner.run(self.store.add([NewJob(Job(job_id, "c", JobStatus.PENDING, NOW))]))

    @rule(target=jobs, status=st.sampled_from(JobStatus), **FIELDS)
    def record(self, plugin: str, priority: int, text: str, status: JobStatus) -> str:
        job = Job(new_job_id(), plugin, status, NOW, False, {"text": text}, priority=priority)
        self.store.record(job)
        self.model.jobs[job.id], self.model.needs[job.id] = job, []
        return job.id

    @rule(job_id=jobs, status=ENDS, text=st.text("ab", max_size=5), unknown=st.booleans())
    def record_end(self, job_id: str, status: JobStatus, text: str, unknown: bool) -> None:
        end = JobEnd(new_job_id() if unknown else job_id, status, {"text": text}, None, NOW, 1.0, 2.0)
        self.store.record_end(end)
        try:
            self.model.end(end, self.store.server_id)
        except REFUSALS:
            self.lost += 1
        self.runner.run(self.store.get(new_job_id()))  # what is counted does not wait for what nobody awaited

    @rule(
        job_id=jobs,
        status=ENDS,
        text=st.text("ab", max_size=5),
        late=st.sampled_from([0, 0, 0, 1]),
        at=st.sampled_from([NOW, NOW + MINUTE / 2]),
    )
    def end(self, job_id: str, status: JobStatus, text: str, late: int, at: datetime) -> None:
        job = self.model.jobs.get(job_id)
        attempt = job.attempt - late if job is not None else 1
        end = JobEnd(job_id, status, {"text": text}, None, at, 1.0, 2.0, attempt=attempt)
        self.both(self.store.end(end), lambda: self.model.end(end, self.store.server_id))

    @rule(
        job_id=jobs,
        outcome=st.sampled_from(["retried", "handed_back"]),
        delay=st.none() | st.integers(-1, 2),
        late=st.sampled_from([0, 0, 1]),
    )
    def put_back(self, job_id: str, outcome: str, delay: int | None, late: int) -> None:
        if job_id not in self.model.jobs:
            return
        later = None if delay is None else self.model.now + delay * MINUTE
        attempt = self.model.jobs[job_id].attempt - late
        asked = self.store.put_back(job_id, attempt, outcome=outcome, error_code=None, not_before=later)
        self.both(asked, lambda: self.model.put_back(job_id, attempt, outcome, later, self.store.server_id))

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        if job_id in self.model.jobs:
            error = {"details": {"code": "cancelled"}}
            self.both(self.store.request_cancel(job_id, error), lambda: self.model.cancel(job_id))

    @rule(job_id=consumes(jobs))
    def forget(self, job_id: str) -> None:
        """Leave the job as it is for the rest of the run."""

    @rule(free=st.dictionaries(st.sampled_from(PLUGINS), st.integers(0, 3)), over=st.booleans())
    def claim(self, free: dict[str, int], over: bool) -> None:
        until = self.model.now + (-MINUTE if over else 10_000 * MINUTE)
        claimed = self.runner.run(self.store.claim(free, until))
        expected = [job for plugin, most in free.items() for job in self.model.in_time(plugin)[:most]]
        expected.sort(key=lambda job: (-job.priority, job.id))
        assert [job.id for job in claimed] == [job.id for job in expected]
        for job in claimed:
            self.begin(job)

    @rule(job_id=jobs)
    def claim_job(self, job_id: str) -> None:
        claimed = self.runner.run(self.store.claim_job(job_id, self.model.now + 10_000 * MINUTE))
        job = self.model.jobs.get(job_id)
        may = job is not None and job_id in {one.id for one in self.model.in_time(job.plugin)}
        assert (claimed is not None) == may
        if claimed is not None:
            self.begin(claimed)

    def begin(self, job: Job) -> None:
        old = self.model.jobs[job.id]
        self.model.jobs[job.id] = replace(
            old,
            status=JobStatus.RUNNING,
            attempt=old.attempt + 1,
            started_at=self.model.now,
            lease_owner=self.store.server_id,
            lease_until=job.lease_until,
        )
        self.model.outcomes[job.id].append(None)
        self.agree(job)

    @rule()
    def renew(self) -> None:
        running = {job.id: job for job in self.model.jobs.values() if job.durable}
        renewal = self.runner.run(self.store.renew(list(running), self.model.now + 10_000 * MINUTE))
        mine = {one for one, job in running.items() if job.lease_owner == self.store.server_id}
        assert renewal.lost == running.keys() - mine
        assert renewal.cancel_requested == {one for one in mine if running[one].cancel_requested}
        for job_id in mine:
            lease_until = self.model.now + 10_000 * MINUTE
            self.model.jobs[job_id] = replace(self.model.jobs[job_id], lease_until=lease_until)

    @rule(minutes=st.sampled_from([1, 1, 2, -1]))
    def pass_time(self, minutes: int) -> None:
        """The clock goes on, or jumps back: what has come due stays so."""
        moments = [job.not_before for job in self.model.jobs.values() if job.not_before is not None]
        if minutes < 0 and any(moment <= self.model.now for moment in moments):
            return  # whether a claim has met it since is not the model's to know
        self.model.now += minutes * MINUTE

    @rule()
    def expire(self) -> None:
        expired = self.runner.run(self.store.expire(lambda job: {"details": {"code": "deadline_exceeded"}}))
        assert {job.id for job in expired} == self.model.expire()
        for job in expired:
            self.agree(job)

    @rule(reopen=st.booleans())
    def recover(self, reopen: bool) -> None:
        gone = self.store.server_id if reopen else None
        if reopen:
            self.runner.run(self.store.close())
            assert self.store.lost_records == self.lost
            self.lost = 0
            self.store = self.open()
        found = self.runner.run(self.store.recover(lambda job: {"id": job.id}))
        requeued: set[str] = set()
        cancelled: set[str] = set()
        interrupted: set[str] = set()
        for job in sorted(self.model.jobs.values(), key=lambda one: one.id):
            if job.status is JobStatus.RUNNING and job.durable and self.is_over(job):
                (cancelled if job.cancel_requested else requeued).add(job.id)
        before = {job.id for job in self.model.jobs.values() if is_terminal(job.status)}
        for job_id in requeued | cancelled:
            self.model.wait_again(job_id, "interrupted")
        for job in list(self.model.jobs.values()):
            if not job.durable and not is_terminal(job.status) and (gone is not None or not self.store.shared):
                interrupted.add(job.id)
                self.model.set_end(job.id, JobStatus.FAILED, error={"id": job.id}, ended_at=self.model.now)
        after = {job.id for job in self.model.jobs.values() if is_terminal(job.status)}
        assert (set(found.requeued), set(found.interrupted)) == (requeued, interrupted)
        assert {job.id for job in found.ended} == after - before - interrupted

    def is_over(self, job: Job) -> bool:
        # The rules make leases that are over at once, and others that never are.
        return not self.store.shared or (job.lease_until is not None and job.lease_until < NOW + 5_000 * MINUTE)

    @rule(job_id=jobs)
    def look_up(self, job_id: str) -> None:
        found = self.runner.run(self.store.get(job_id))
        if job_id not in self.model.jobs:
            assert found is None
            return
        assert found is not None
        self.agree(found)
        outcomes = [attempt.outcome for attempt in self.runner.run(self.store.attempts(job_id))]
        assert outcomes == self.model.outcomes.get(job_id, [])
        assert self.runner.run(self.store.needs(job_id)) == self.model.needs[job_id]

    def agree(self, found: Job) -> None:
        """The store builds the errors of dependencies itself, and PostgreSQL keeps leases by its own clock."""
        model = self.model.jobs[found.id]
        if model.lease_until is None:
            assert found.lease_until is None
        if model.error is None and found.error is not None:
            assert found.error["details"]["code"] == model.error_code
            model = replace(model, error=found.error)
        if is_terminal(model.status):
            model = replace(model, blocked=found.blocked)  # what it was when it ended is no matter
        assert replace(found, lease_until=None) == replace(model, lease_until=None)

    @rule(status=st.none() | st.sampled_from(JobStatus), plugin=st.none() | st.sampled_from(PLUGINS))
    def list_all(self, status: JobStatus | None, plugin: str | None) -> None:
        seen: list[Job] = []
        cursor = None
        while True:
            page = self.runner.run(self.store.list(JobFilter(status, plugin), cursor, limit=4))
            seen += page.jobs
            cursor = page.next_cursor
            if cursor is None:
                break
        jobs = sorted(self.model.jobs.values(), key=lambda job: job.id, reverse=True)
        wanted = [job for job in jobs if status in (None, job.status) and plugin in (None, job.plugin)]
        assert [(job.id, job.status, job.result) for job in seen] == [(job.id, job.status, None) for job in wanted]
        assert self.store.lost_records == self.lost

    @rule()
    def webhooks(self) -> None:
        due = self.runner.run(self.store.due_deliveries(1000, self.model.now + 10_000 * MINUTE))
        # A clock that was set back makes them wait; that of a shared store is PostgreSQL's own.
        hooks = {one for one, since in self.model.hooks.items() if self.store.shared or since <= self.model.now}
        assert {one.job_id for one in due} == hooks
        for one in due:
            self.runner.run(self.store.delivery_done(one.job_id))
            del self.model.hooks[one.job_id]

    @invariant()
    def counts_agree(self) -> None:
        pending = [job for job in self.model.jobs.values() if job.durable and job.status is JobStatus.PENDING]
        counts = {plugin: sum(job.plugin == plugin for job in pending) for plugin in {job.plugin for job in pending}}
        assert {one.plugin: one.count for one in self.runner.run(self.store.waiting())} == counts
        claimable = [plugin for plugin in PLUGINS if self.model.claimable(plugin)]
        assert self.runner.run(self.store.outlook()).plugins == claimable


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.timeout(600)
def test_the_store_and_a_dictionary_agree(kind: str, request: pytest.FixtureRequest) -> None:
    server: PostgresServer | None = request.getfixturevalue("postgres") if kind == "postgresql" else None

    class OneStore(StoreBesideDictionary):
        def make_place(self, folder: Path) -> Place:
            return SqlitePlace(folder / "sightgate.db") if server is None else PostgresPlace(server)

    given = settings(
        max_examples=30 if server is None else 12,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
    run_state_machine_as_test(OneStore, settings=given)
