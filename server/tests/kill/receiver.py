"""What the webhooks call: it notes what it is told of which job, and lives through everything."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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

    def take(self, signed: str, body: bytes) -> None:
        """Note one call."""
        timestamp = int(signed.partition(",")[0].removeprefix("t="))
        event = json.loads(body)
        with self._lock:
            if signed != signature(SECRET, timestamp, body):
                self.faults.append(f"a webhook of {event['id']} is signed wrongly")
            self._told[event["id"]].append(event["data"]["status"])


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) == int(self.headers["Content-Length"]):  # else its server was killed
                receiver.take(self.headers[SIGNATURE], body)
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receive) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
