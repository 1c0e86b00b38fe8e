"""The harness finds, weighs and ends all that a server started, also what the server disowned."""

import os
import secrets
import subprocess
import sys

from benchmarks.peers.processes import MARK, find_processes, measure_memory, stop

# A child, and a grandchild whose parent ends at once and that ignores SIGTERM; then the three wait.
SERVER = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(60)
os.wait()
signal.signal(signal.SIGTERM, signal.SIG_DFL)
print("started", flush=True)
time.sleep(60)
"""


def start_server(mark: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, MARK: mark}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"started\n"
    return server


def test_all_processes_of_a_server_are_found_weighed_and_ended():
    mark = secrets.token_hex(8)
    with start_server(mark) as server:
        found = find_processes(server.pid, mark)
        # The server's alone, without the process that measures it.
        assert {process.pid for process in find_processes(None, mark)} == {process.pid for process in found}
        memory = measure_memory(found)
        stop(server, mark, patience_s=5)
    assert len(found) == 3
    assert memory.mib > 1
    assert find_processes(server.pid, mark) == []
    assert server.returncode is not None
