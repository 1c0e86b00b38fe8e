"""An S3-compatible server as a real process on loopback."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from support.running_server import eventually

BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

# The server says in its log which port it took.
_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


class S3Server:
    """A running server. It holds all in memory, so it can hang, but not be killed and come back."""

    def __init__(self, endpoint: str, process: "subprocess.Popen[bytes]") -> None:
        self.endpoint = endpoint
        self._process = process

    def pause(self) -> None:
        """Let it answer nothing, though its connections stay."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang until the block ends."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def url(self, prefix: str = "") -> str:
        """Return a `SIGHTGATE_BLOB_URL` below the bucket."""
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server with one empty bucket until the block ends; whoever asks it in it has `CREDENTIALS`."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
            eventually(lambda: _make_bucket(endpoint), "bucket")
            yield S3Server(endpoint, process)
        finally:
            process.stdin.close()
            process.kill()


def _make_bucket(endpoint: str) -> bool:
    try:
        return httpx.put(f"{endpoint}/{BUCKET}", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
