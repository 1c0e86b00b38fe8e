"""What the webhooks call: it notes what it is told of which job, and lives through everything."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message

from support.post_receiver import receiving

from app.services.webhook_event import SIGNATURE, signature

SECRET = "shared with the receiver"


class Receiver:
    """Statuses by job, in the order in which they came; ``faults`` tells of calls that are not genuine."""

    def __init__(self) -> None:
        self.port = 0
        self.faults: list[str] = []
        self._told: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ended"

    def told(self) -> Mapping[str, list[str]]:
        with self._lock:
            return {job_id: list(statuses) for job_id, statuses in self._told.items()}

    def take(self, _: str, headers: Message, body: bytes) -> int | None:
        """Note one call."""
        if len(body) < int(headers["Content-Length"]):
            return None  # its server was killed
        signed = headers[SIGNATURE]
        timestamp = int(signed.partition(",")[0].removeprefix("t="))
        event = json.loads(body)
        with self._lock:
            if signed != signature(SECRET, timestamp, body):
                self.faults.append(f"a webhook of {event['id']} is signed wrongly")
            self._told[event["id"]].append(event["data"]["status"])
        return 204


@contextmanager
def receiver_of_webhooks() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()
    with receiving(receiver.take) as receiver.port:
        yield receiver
