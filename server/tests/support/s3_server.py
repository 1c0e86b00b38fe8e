"""An S3-compatible server as a real process on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from support.running_server import eventually

BUCKET = "bucket"

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


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server with one empty bucket until the block ends; gives its endpoint."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
            eventually(lambda: _make_bucket(endpoint), "bucket")
            yield endpoint
        finally:
            process.stdin.close()
            process.kill()


def _make_bucket(endpoint: str) -> bool:
    try:
        return httpx.put(f"{endpoint}/{BUCKET}", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
