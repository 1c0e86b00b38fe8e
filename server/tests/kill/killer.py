"""Kills what runs, at moments and in an order that its seed decides, and starts it again."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator

from kill.cluster import LEASE_S, Cluster, Member
from kill.ledger import Ledger

PAUSE_S = (0.1, 1.5)
AWAY_S = (0.0, 0.5)
BLOBS_AWAY_S = (0.5, 4.0)
# Mostly something is killed that serves; at times what is still starting, or while something else is down.
SERVES_FIRST = 0.7
LONGEST_WAIT_S = 60.0


class Killer(threading.Thread):
    """Goes round all kinds of ends, each round in another order, until ``stop`` is set. Leaves all started."""

    def __init__(self, seed: str, cluster: Cluster, ledger: Ledger, stop: threading.Event) -> None:
        super().__init__(name="killer", daemon=True)
        self._random = random.Random(f"{seed}-killer")
        self._cluster = cluster
        self._ledger = ledger
        self._stop_now = stop
        self._killed_server = False
        self._paused_blobs = cluster.s3 is None
        self.kinds: dict[str, Callable[[], None]] = {
            "a server is killed": self._kill_server,
            "a worker is killed": self._kill_worker,
            "a server is told to end": self._terminate_server,
            "a worker is killed again": self._kill_worker,
        }
        if cluster.postgres is not None:
            self.kinds |= {
                "the database is killed": self._kill_database,
                "the database hangs": self._pause_database,
                "a server hangs beyond its lease": self._pause_server,
            }
        if cluster.s3 is not None:
            self.kinds |= {
                "the blobs hang": self._pause_blobs,
                "the blobs hang, and a server is killed": self._kill_server_without_blobs,
                "the blobs hang, and a server is told to end": self._terminate_server_without_blobs,
            }

    def run(self) -> None:
        try:
            while not self._stop_now.is_set():
                for what in self._random.sample(sorted(self.kinds), len(self.kinds)):
                    if self._stop_now.wait(self._random.uniform(*PAUSE_S)):
                        break
                    self._cluster.launch_ended()
                    if self._random.random() < SERVES_FIRST:
                        self._wait_until_all_serve()
                    self.kinds[what]()
                    self._ledger.count(what)
        except Exception as fault:  # a thread's end must be told
            self._ledger.fault(f"the killer ended with {fault!r}")
        finally:
            self._cluster.start_all()

    @property
    def has_done_its_work(self) -> bool:
        """Whether a server was killed, and what can only hang has hung."""
        return self._killed_server and self._paused_blobs

    def _wait_until_all_serve(self) -> None:
        until = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < until and not all(member.serves for member in self._cluster.members):
            if self._stop_now.wait(0.05):
                return

    def _kill_server(self) -> None:
        """Also while it starts, and recovers what the one before it left."""
        self._member().kill()
        self._killed_server = True

    def _terminate_server(self) -> None:
        member = self._member()
        code = member.terminate()
        if code not in (0, None):
            self._ledger.fault(f"a server that was told to end ended with {code}; see {member.home.log}")

    def _kill_worker(self) -> None:
        workers = self._member().workers()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._random.choice(workers), signal.SIGKILL)

    def _kill_database(self) -> None:
        assert self._cluster.postgres is not None
        self._cluster.postgres.kill()
        time.sleep(self._random.uniform(*AWAY_S))
        self._cluster.postgres.start()

    def _pause_database(self) -> None:
        assert self._cluster.postgres is not None
        self._cluster.postgres.pause()
        time.sleep(self._random.uniform(0.5, 1.5))
        self._cluster.postgres.resume()

    def _pause_blobs(self) -> None:
        """At times longer than a server waits for them."""
        with self._blobs_paused():
            time.sleep(self._random.uniform(*BLOBS_AWAY_S))

    def _kill_server_without_blobs(self) -> None:
        """The next one starts, and takes over, while what it needs cannot be read."""
        with self._blobs_paused():
            self._kill_server()
            self._cluster.launch_ended()
            time.sleep(self._random.uniform(*BLOBS_AWAY_S))

    def _terminate_server_without_blobs(self) -> None:
        """It ends all the same, whatever it still had to write."""
        with self._blobs_paused():
            self._terminate_server()

    @contextlib.contextmanager
    def _blobs_paused(self) -> Iterator[None]:
        assert self._cluster.s3 is not None
        with self._cluster.s3.paused():
            time.sleep(self._random.uniform(*AWAY_S))
            yield
        self._paused_blobs = True

    def _pause_server(self) -> None:
        """Others take its jobs over; when it goes on, it must not end them."""
        member = self._member()
        url, member.url = member.url, None
        member.pause()
        time.sleep(LEASE_S + self._random.uniform(0.5, 1.5))
        member.resume()
        member.url = url

    def _member(self) -> Member:
        return self._random.choice(self._cluster.members)
