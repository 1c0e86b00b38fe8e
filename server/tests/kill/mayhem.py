"""One run: clients and the killer at once, then peace, then the verdict."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kill.clients import PASSING, Client
from kill.cluster import Cluster, postgres_cluster, s3_cluster, sqlite_cluster
from kill.killer import Killer
from kill.ledger import Ledger
from kill.receiver import Receiver, receiver_of_webhooks
from kill.stored import faults_of_store
from kill.verdict import faults_of, faults_of_webhooks

# Without any job's end: a long queue on a busy machine is no fault.
SETTLE_S = 120.0
MOST_WAITING = 400
TOLD_S = 60.0
CLUSTERS: dict[str, Callable[[Path, Receiver], AbstractContextManager[Cluster]]] = {
    "sqlite": sqlite_cluster,
    "postgres": postgres_cluster,
    "s3": s3_cluster,
}


@dataclass(frozen=True)
class Plan:
    """What to kill, for how long, and the seed that decides what happens in it."""

    on: str
    seconds: float
    seed: str
    clients: int = 5

    @property
    def replay(self) -> str:
        return f'make soak ARGS="--on {self.on} --seed {self.seed} --minutes {self.seconds / 60:.2f}"'


@dataclass(frozen=True)
class Report:
    """What a run came to. ``counts`` tell what happened in it."""

    jobs: int
    counts: dict[str, int]
    faults: list[str]


def run(plan: Plan, folder: Path, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Run the plan in ``folder``, and return what is wrong at the end."""
    ledger = Ledger()
    with receiver_of_webhooks() as receiver, CLUSTERS[plan.on](folder, receiver) as cluster:
        cluster.start_all()
        _kill_while_clients_act(plan, cluster, ledger, tell)
        urls = cluster.urls()
        with httpx.Client(base_url=urls[0], timeout=60, trust_env=False) as http:
            stuck = _wait_until_settled(http)
            jobs = _all_jobs(http)
            faults = faults_of(ledger, jobs, http) + stuck
            faults += _wait_until_told(ledger, jobs, receiver)
        for member in cluster.members:
            code = member.terminate()
            if code:
                faults.append(f"a server ended with {code}")
        faults += asyncio.run(faults_of_store(cluster))
        for member in cluster.members:
            faults += _faults_in_log(member.home.log)
    for job in jobs.values():
        ledger.count(f"jobs that ended {job['status']}")
    ledger.count("attempts beyond the first")
    ledger.counts["attempts beyond the first"] = sum(max(0, job["attempt"] - 1) for job in jobs.values())
    return Report(len(jobs), dict(sorted(ledger.counts.items())), faults)


def _kill_while_clients_act(plan: Plan, cluster: Cluster, ledger: Ledger, tell: Callable[[str], None]) -> None:
    stop_killing, stop_acting = threading.Event(), threading.Event()
    clients = [Client(number, plan.seed, cluster, ledger, stop_acting) for number in range(plan.clients)]
    killer = Killer(plan.seed, cluster, ledger, stop_killing)
    for thread in (*clients, killer):
        thread.start()
    until = time.monotonic() + plan.seconds
    told = time.monotonic()
    # On a busy machine little may have been killed when the time is over.
    while (time.monotonic() < until or not killer.has_done_its_work) and killer.is_alive() and not ledger.faults:
        time.sleep(0.2)
        _look_for_room(cluster)
        if time.monotonic() - told > 60:
            told = time.monotonic()
            tell(f"{len(ledger.ids())} jobs accepted, {(until - told) / 60:.0f} minutes to go")
    stop_killing.set()
    killer.join()
    stop_acting.set()
    for client in clients:
        client.join()


def _look_for_room(cluster: Cluster) -> None:
    """Tell the clients whether they may submit more, if some server can say."""
    for url in cluster.urls():
        with contextlib.suppress(httpx.HTTPError):
            counts = httpx.get(f"{url}/v1/jobs/counts", timeout=2, trust_env=False).raise_for_status().json()["counts"]
            if counts["PENDING"] < MOST_WAITING:
                cluster.has_room.set()
            else:
                cluster.has_room.clear()
            return


def _wait_until_settled(http: httpx.Client) -> list[str]:
    """Return the jobs that do not come to an end."""
    fewest, until = math.inf, 0.0
    while True:
        counts = _read(http, "/v1/jobs/counts")["counts"]
        left = counts["PENDING"] + counts["RUNNING"]
        if not left:
            return []
        if left < fewest:
            fewest, until = left, time.monotonic() + SETTLE_S
        if time.monotonic() > until:
            jobs = [job for status in ("PENDING", "RUNNING") for job in _page(http, status=status)["jobs"]]
            shown = [http.get(f"/v1/jobs/{job['id']}").json() for job in jobs[:5]]
            return [f"{left} jobs do not come to an end; for {SETTLE_S:g} s none has: {shown}"]
        time.sleep(0.2)


def _wait_until_told(ledger: Ledger, jobs: dict[str, dict[str, Any]], receiver: Receiver) -> list[str]:
    """Return what is wrong with the webhooks. Those of a killed server come when their leases have run out."""
    until = time.monotonic() + TOLD_S
    while (faults := faults_of_webhooks(ledger, jobs, receiver.told())) and time.monotonic() < until:
        time.sleep(0.2)
    ledger.counts["webhooks that came"] = sum(map(len, receiver.told().values()))
    return [*receiver.faults, *faults]


def _all_jobs(http: httpx.Client) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = {}
    query: dict[str, Any] = {"limit": 500}
    while True:
        page = _page(http, **query)
        for listed in page["jobs"]:
            jobs[listed["id"]] = _read(http, f"/v1/jobs/{listed['id']}")
        if page["next_cursor"] is None:
            return jobs
        query["cursor"] = page["next_cursor"]


def _page(http: httpx.Client, **query: Any) -> dict[str, Any]:
    return _read(http, "/v1/jobs", **query)


def _read(http: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    """Ask again after a refusal that passes: a store that has just come back may be slow on a busy machine."""
    until = time.monotonic() + SETTLE_S
    while (answer := http.get(path, params=query)).status_code in PASSING and time.monotonic() < until:
        time.sleep(0.2)
    answer.raise_for_status()
    read: dict[str, Any] = answer.json()
    return read


def _faults_in_log(log: Path) -> list[str]:
    """Tracebacks that the server did not expect, and plugins' own, which it does."""
    text = log.read_text(errors="replace")
    return [f"{log} has a line of a fault: {line[:1500]}" for line in text.splitlines() if _is_fault(line)]


def _is_fault(line: str) -> bool:
    return any(word in line for word in ('"dispatcher fault"', '"event": "fault"', "never awaited", "never retrieved"))
