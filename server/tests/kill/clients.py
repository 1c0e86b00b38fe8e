"""Clients that submit, cancel and read while everything around them is killed. What each does, its seed decides."""

import base64
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from support.images import PNG

from kill.cluster import Cluster
from kill.ledger import ENDED, Ledger, Submission
from kill.verdict import RETRIED

TIMEOUT_S = 20.0
PAUSE_S = 0.05
# Refusals that a server may give while it, or what it needs, is going away or coming back.
PASSING = frozenset({429, 503})
SHARED_IMAGES = [PNG + bytes([number]) for number in range(4)]


class Unanswered(Exception):
    """No answer came, or one that says to ask again: whether the request was done is not known."""


class Client(threading.Thread):
    """Acts until ``stop`` is set, then sends again what has a key and no answer."""

    def __init__(self, number: int, seed: str, cluster: Cluster, ledger: Ledger, stop: threading.Event) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._random = random.Random(f"{seed}-client-{number}")
        self._cluster = cluster
        self._ledger = ledger
        self._stop_now = stop
        self._made = 0
        self._keyed: list[Callable[[], None]] = []
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._actions: Mapping[Callable[[], None], float] = {
            self._submit: 8,
            self._submit_batch: 1,
            self._submit_again: 2,
            self._cancel: 2,
            self._cancel_batch: 0.2,
            self._read: 5,
            self._read_list: 1,
        }

    def run(self) -> None:
        try:
            while not self._stop_now.is_set():
                self._act(self._random.choices(list(self._actions), list(self._actions.values()))[0])
                time.sleep(self._random.uniform(0, PAUSE_S))
            self._finish()
        except Exception as fault:  # a thread's end must be told
            self._ledger.fault(f"{self.name} ended with {fault!r}")
        finally:
            self._http.close()

    def _act(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Unanswered as reason:
            self._ledger.count(f"unanswered: {reason}")
            time.sleep(4 * PAUSE_S)

    def _finish(self) -> None:
        """What has a key is sent until it is answered: the cluster is whole by now."""
        for send in self._keyed:
            for _ in range(100):
                try:
                    send()
                    break
                except Unanswered:
                    time.sleep(0.2)
            else:
                self._ledger.fault(f"{self.name}: a request with a key was not answered at the end")

    def _submit(self) -> None:
        chance = self._random
        submission, image, options = self._new(1)
        query: dict[str, Any] = {"plugin": "toil", "options": json.dumps(options)}
        if chance.random() < 0.2:
            query["priority"] = chance.randint(-5, 5)
        if chance.random() < 0.2:
            query["delay_s"] = round(chance.uniform(0, 1.5), 3)
        if chance.random() < 0.3:
            submission.webhook = True
            query["webhook"] = self._cluster.receiver.url
        if chance.random() < 0.4:
            submission.max_attempts = chance.randint(2, 4)
            query["retry"] = json.dumps(
                {
                    "max_attempts": submission.max_attempts,
                    "codes": sorted(RETRIED),
                    "backoff_s": 0.1,
                    "max_backoff_s": 0.5,
                }
            )
        if chance.random() < 0.25 and (known := self._ledger.ids()):
            submission.needs = tuple(sorted({chance.choice(known[-40:]) for _ in range(chance.randint(1, 2))}))
            submission.after_rule = chance.choice(["success", "end"])
            query |= {"after": list(submission.needs), "after_rule": submission.after_rule}
        self._send(submission, lambda key: self._ask("POST", "/v1/jobs", params=query, content=image, key=key))

    def _submit_batch(self) -> None:
        submission, image, options = self._new(self._random.randint(2, 5))
        images = [image, *(image + bytes([place]) for place in range(1, submission.jobs))]
        submission.digests = frozenset(map(digest_of, images))
        body = {
            "plugins": ["toil"],
            "images": [{"image": base64.b64encode(data).decode(), "mime_type": "image/png"} for data in images],
            "options": {"toil": options},
        }
        self._send(submission, lambda key: self._ask("POST", "/v1/jobs/batch", json=body, key=key))

    def _new(self, jobs: int) -> tuple[Submission, bytes, dict[str, Any]]:
        while not self._cluster.has_room.wait(0.1) and not self._stop_now.is_set():
            pass
        chance = self._random
        self._made += 1
        tag = f"{self.name}-{self._made}"
        image = chance.choice(SHARED_IMAGES) if chance.random() < 0.2 else PNG + tag.encode()
        options = {
            "tag": tag,
            "seconds": chance.choice([0, 0, 0.01, 0.05, 0.3]),
            "fails": chance.choice([0, 0, 0, 0.5]),
            "padding": chance.choice([0, 0, 0, 5000]),
        }
        key = f"key-{tag}" if chance.random() < 0.5 else None
        return Submission(tag, jobs, frozenset({digest_of(image)}), key), image, options

    def _send(self, submission: Submission, ask: Callable[[str | None], httpx.Response]) -> None:
        self._ledger.sending(submission)

        def send() -> None:
            answer = self._answered(ask(submission.key), 200, 202)
            said = answer.json()
            again = submission.ids is not None
            ids = tuple(said.get("jobs", [said["id"]]))
            self._ledger.accepted(submission, ids, said["id"] if "jobs" in said else None)
            if again and (answer.status_code, answer.headers.get("idempotency-replayed")) != (200, "true"):
                self._ledger.fault(f"the second answer to {submission.key} was {answer.status_code}")

        if submission.key is not None:
            self._keyed.append(send)
        send()

    def _submit_again(self) -> None:
        if self._keyed:
            self._random.choice(self._keyed)()

    def _cancel(self) -> None:
        if known := self._ledger.ids():
            job_id = self._random.choice(known[-30:])
            had_ended = self._ledger.end_of(job_id) is not None
            answer = self._answered(self._ask("DELETE", f"/v1/jobs/{job_id}"), 200, 409)
            if answer.status_code == 200:
                self._ledger.read(answer.json(), had_ended)

    def _cancel_batch(self) -> None:
        batches = [one.batch for one in list(self._ledger.submissions.values()) if one.batch]
        if batches:
            self._answered(self._ask("DELETE", f"/v1/batches/{self._random.choice(batches)}"), 200)

    def _read(self) -> None:
        if known := self._ledger.ids():
            job_id = self._random.choice(known if self._random.random() < 0.5 else known[-10:])
            had_ended = self._ledger.end_of(job_id) is not None
            self._ledger.read(self._answered(self._ask("GET", f"/v1/jobs/{job_id}"), 200).json(), had_ended)

    def _read_list(self) -> None:
        """A page of those that have ended: their ends are what was read of each alone, results apart."""
        status = self._random.choice(sorted(ENDED))
        page = self._answered(self._ask("GET", "/v1/jobs", params={"status": status, "limit": 20}), 200).json()
        for job in page["jobs"]:
            before = self._ledger.end_of(job["id"])
            if before is not None and before["status"] != job["status"]:
                self._ledger.fault(f"{job['id']} had ended {before['status']}, and is listed as {job['status']}")

    def _ask(self, method: str, path: str, key: str | None = None, **request: Any) -> httpx.Response:
        urls = self._cluster.urls()
        if not urls:
            raise Unanswered("no server")
        headers = {"idempotency-key": key} if key is not None else {}
        if "content" in request:
            headers["content-type"] = "image/png"
        try:
            return self._http.request(method, self._random.choice(urls) + path, headers=headers, **request)
        except httpx.TransportError as failure:
            raise Unanswered(type(failure).__name__) from failure

    def _answered(self, answer: httpx.Response, *statuses: int) -> httpx.Response:
        """Return the answer if it has one of the statuses. Any other is a fault, unless it may pass."""
        if answer.status_code in statuses:
            return answer
        if answer.status_code not in PASSING:
            asked = f"{answer.request.method} {answer.request.url.path}"
            self._ledger.fault(f"{asked} was answered {answer.status_code}: {answer.text[:500]}")
        raise Unanswered(str(answer.status_code))


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
