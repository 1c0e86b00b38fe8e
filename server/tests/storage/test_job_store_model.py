"""The store beside a dictionary: whatever is asked in whatever order, both answer the same."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from support.stores import lease

from app.governance.job_lifecycle import IllegalTransition, JobStatus, check_transition, is_terminal
from app.storage.errors import JobExists, JobMissing, LeaseLost
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobEnd, JobFilter, NewJob
from app.storage.sqlite_store import SqliteJobStore

NOW = datetime(2030, 1, 2, tzinfo=UTC)
PLUGINS = ("a", "b")
ENDS = st.sampled_from([status for status in JobStatus if is_terminal(status)])
FIELDS = {"plugin": st.sampled_from(PLUGINS), "priority": st.integers(-1, 1), "text": st.text(max_size=5)}


class StoreBesideDictionary(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model: dict[str, Job] = {}
        self.lost = 0
        self.store = self.open()

    def open(self) -> SqliteJobStore:
        return self.runner.run(SqliteJobStore.open(Path(self.folder.name) / "sightgate.db", linger_s=0.001))

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    @rule(target=jobs, **FIELDS)
    def add(self, plugin: str, priority: int, text: str) -> str:
        job = Job(new_job_id(), plugin, JobStatus.PENDING, NOW, True, {"text": text}, priority=priority)
        self.runner.run(self.store.add([NewJob(job)]))
        self.model[job.id] = job
        return job.id

    @rule(job_id=jobs)
    def add_again(self, job_id: str) -> None:
        try:
            self.runner.run(self.store.add([NewJob(Job(job_id, "c", JobStatus.PENDING, NOW))]))
        except JobExists:
            return
        raise AssertionError("one id was stored twice")

    @rule(target=jobs, status=st.sampled_from(JobStatus), **FIELDS)
    def record(self, plugin: str, priority: int, text: str, status: JobStatus) -> str:
        job = Job(new_job_id(), plugin, status, NOW, False, {"text": text}, priority=priority)
        self.store.record(job)
        self.model[job.id] = job
        return job.id

    @rule(job_id=jobs, status=ENDS, text=st.text(max_size=5), unknown=st.booleans())
    def record_end(self, job_id: str, status: JobStatus, text: str, unknown: bool) -> None:
        named = new_job_id() if unknown else job_id
        self.store.record_end(JobEnd(named, status, {"text": text}, None, NOW, 1.0, 2.0))
        try:
            self.end_model(named, status, text, None)
        except (IllegalTransition, JobMissing, LeaseLost):
            self.lost += 1
        if named in self.model and self.model[named].durable:
            self.get(named)  # the counts of waiting jobs do not wait for what nobody awaited

    @rule(job_id=jobs, status=ENDS, text=st.text(max_size=5), late=st.booleans())
    def end(self, job_id: str, status: JobStatus, text: str, late: bool) -> None:
        attempt = self.model[job_id].attempt - late
        end = JobEnd(job_id, status, {"text": text}, None, NOW, 1.0, 2.0, attempt=attempt)
        outcomes: list[type | None] = []
        for act in (
            lambda: self.runner.run(self.store.end(end)),
            lambda: self.end_model(job_id, status, text, attempt),
        ):
            try:
                act()
                outcomes.append(None)
            except (IllegalTransition, LeaseLost) as refusal:
                outcomes.append(type(refusal))
        assert outcomes[0] == outcomes[1]

    @rule(job_id=consumes(jobs))
    def forget(self, job_id: str) -> None:
        """Leave the job as it is for the rest of the run."""

    @rule(free=st.dictionaries(st.sampled_from(PLUGINS), st.integers(0, 3)))
    def claim(self, free: dict[str, int]) -> None:
        claimed = self.runner.run(self.store.claim(free, lease()))
        expected: list[Job] = []
        for plugin, most in free.items():
            expected += self.waiting(plugin)[:most]
        expected.sort(key=lambda job: (-job.priority, job.id))
        assert [job.id for job in claimed] == [job.id for job in expected]
        for job in claimed:
            old = self.model[job.id]
            self.model[job.id] = replace(
                old,
                status=JobStatus.RUNNING,
                attempt=old.attempt + 1,
                started_at=job.started_at,
                lease_owner=self.store.server_id,
                lease_until=job.lease_until,
            )

    @rule(reopen=st.booleans())
    def recover(self, reopen: bool) -> None:
        if reopen:
            self.runner.run(self.store.close())
            assert self.store.lost_records == self.lost
            self.lost = 0
            self.store = self.open()
        found = self.runner.run(self.store.recover(lambda job: {"id": job.id}))
        open_jobs = {job.id: job for job in self.model.values() if not is_terminal(job.status)}
        requeued = {job.id for job in open_jobs.values() if job.durable and job.status is JobStatus.RUNNING}
        interrupted = {job.id for job in open_jobs.values() if not job.durable}
        assert (set(found.requeued), set(found.interrupted)) == (requeued, interrupted)
        for job_id in requeued:
            self.model[job_id] = replace(
                self.model[job_id], status=JobStatus.PENDING, started_at=None, lease_owner=None, lease_until=None
            )
        for job_id in interrupted:
            stored = self.runner.run(self.store.get(job_id))
            assert stored is not None
            self.model[job_id] = replace(
                self.model[job_id], status=JobStatus.FAILED, error={"id": job_id}, ended_at=stored.ended_at
            )

    @rule(job_id=jobs)
    def look_up(self, job_id: str) -> None:
        self.get(job_id)

    def get(self, job_id: str) -> None:
        assert self.runner.run(self.store.get(job_id)) == self.model[job_id]

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
        wanted = [
            replace(job, result=None)
            for job in sorted(self.model.values(), key=lambda job: job.id, reverse=True)
            if status in (None, job.status) and plugin in (None, job.plugin)
        ]
        assert seen == wanted
        assert self.store.lost_records == self.lost

    @invariant()
    def counts_agree(self) -> None:
        counts = {plugin: len(self.waiting(plugin)) for plugin in PLUGINS if self.waiting(plugin)}
        assert {one.plugin: one.count for one in self.runner.run(self.store.waiting())} == counts
        assert self.runner.run(self.store.plugins_with_pending()) == sorted(counts)

    def waiting(self, plugin: str) -> list[Job]:
        jobs = [job for job in self.model.values() if job.plugin == plugin and job.durable]
        jobs = [job for job in jobs if job.status is JobStatus.PENDING]
        return sorted(jobs, key=lambda job: (-job.priority, job.id))

    def end_model(self, job_id: str, status: JobStatus, text: str, attempt: int | None) -> None:
        if job_id not in self.model:
            raise JobMissing
        old = self.model[job_id]
        check_transition(old.status, status)
        if old.durable and old.status is JobStatus.RUNNING and attempt != old.attempt:
            raise LeaseLost
        self.model[job_id] = replace(
            old,
            status=status,
            result={"text": text},
            ended_at=NOW,
            waiting_ms=1.0,
            running_ms=2.0,
            lease_owner=None,
            lease_until=None,
        )


TestStoreBesideDictionary = StoreBesideDictionary.TestCase
TestStoreBesideDictionary.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
