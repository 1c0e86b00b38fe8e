"""A server that gives what is posted to it to a function, for tests in threads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def receiving(take: Callable[[str, Message, bytes], int | None]) -> Iterator[int]:
    """Give each POST's path, headers and body to ``take``, and answer its status; None: no answer. Yields the port."""

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = take(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
            if status is not None:
                self.send_response(status)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receive) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
