"""The queues that are measured: how each keeps jobs, and what must run for it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
WORKERS = 2
Service = Literal["", "redis", "redis, each write synced", "postgres"]


@dataclass(frozen=True)
class Queue:
    """A queue. In `workers` and `variables` stand {bin}, {folder}, {url} and {port}.

    `workers` are started `processes` times beside the submitter; `application` holds the submitter. `keeps` says how
    an accepted job is kept.
    """

    name: str
    title: str
    package: str
    application: str
    keeps: str
    service: Service = ""
    workers: tuple[str, ...] = ()
    processes: int = 1
    prepare: tuple[str, ...] = ()
    environment: str | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.environment is None

    @property
    def requirements(self) -> Path:
        return HERE / str(self.environment).removeprefix("jobs-") / "requirements.txt"


_SAQ = ("{bin}/saq", "benchmarks.jobs.saq.application.settings", "--workers", str(WORKERS), "--quiet")
_PROCRASTINATE = ("{bin}/procrastinate", "--app=benchmarks.jobs.procrastinate.application.app")

QUEUES = (
    Queue(
        "sightgate",
        "Sightgate, SQLite, in-process",
        "sightgate-server",
        "benchmarks.jobs.sightgate.in_process",
        "job and input synced before the answer (`full`)",
    ),
    Queue(
        "sightgate-http",
        "Sightgate, SQLite, over HTTP",
        "sightgate-server",
        "benchmarks.jobs.sightgate.over_http",
        "job and input synced before the answer (`full`)",
        workers=(str(Path(sys.executable).parent / "sightgate"), "serve"),
        variables={
            "SIGHTGATE_PORT": "{port}",
            "SIGHTGATE_DATA_DIR": "{folder}",
            "SIGHTGATE_PLUGINS_DIR": str(HERE.parent / "plugins"),
            "SIGHTGATE_INSTALLED_PLUGINS": "false",
            "SIGHTGATE_LOG_FORMAT": "json",
        },
    ),
    Queue(
        "sightgate-postgres",
        "Sightgate, PostgreSQL, in-process",
        "sightgate-server",
        "benchmarks.jobs.sightgate.in_process",
        "job and input synced before the answer",
        service="postgres",
    ),
    Queue(
        "huey",
        "Huey, SQLite",
        "huey",
        "benchmarks.jobs.huey.application",
        "job synced before the answer (SQLite's default); it leaves the queue when it is taken up",
        workers=(
            "{bin}/huey_consumer",
            "benchmarks.jobs.huey.application.huey",
            f"--workers={WORKERS}",
            "--worker-type=process",
            "--quiet",
        ),
        environment="jobs-huey",
    ),
    Queue(
        "saq",
        "SAQ, Redis",
        "saq",
        "benchmarks.jobs.saq.application",
        "in Redis' memory; a snapshot at times (Redis' default)",
        service="redis",
        workers=_SAQ,
        environment="jobs-saq",
    ),
    Queue(
        "saq-synced",
        "SAQ, Redis that syncs",
        "saq",
        "benchmarks.jobs.saq.application",
        "job synced before the answer (`appendfsync always`)",
        service="redis, each write synced",
        workers=_SAQ,
        environment="jobs-saq",
    ),
    Queue(
        "celery",
        "Celery, Redis",
        "celery",
        "benchmarks.jobs.celery.application",
        "in Redis' memory; a snapshot at times; acknowledged before it runs (Celery's default)",
        service="redis",
        workers=(
            "{bin}/celery",
            "--app=benchmarks.jobs.celery.application",
            "worker",
            f"--concurrency={WORKERS}",
            "--loglevel=error",
        ),
        environment="jobs-celery",
    ),
    Queue(
        "procrastinate",
        "Procrastinate, PostgreSQL",
        "procrastinate",
        "benchmarks.jobs.procrastinate.application",
        "job synced before the answer (PostgreSQL's default)",
        service="postgres",
        workers=(*_PROCRASTINATE, "worker", "--concurrency=4"),
        processes=WORKERS,
        prepare=(*_PROCRASTINATE, "schema", "--apply"),
        environment="jobs-procrastinate",
    ),
)
