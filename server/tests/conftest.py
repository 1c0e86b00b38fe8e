"""What all tests of the server share: real servers, started once and used by many."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from support.plugins import MISBEHAVING, NOT_LOADABLE, WELL_BEHAVED
from support.postgres_server import PostgresServer, programs_of_postgres
from support.running_server import PATIENCE_S, RunningServer, make_home, running
from support.skipping import skip
from support.stores import execute, postgres_beside

# How fast this machine is says nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# What a shell runs in the background ignores Ctrl-C, and so would all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with every test plugin, whose breaker and quarantine never step in, and where callers wait long."""
    folder = tmp_path_factory.mktemp("shared")
    plugins = (*WELL_BEHAVED, *MISBEHAVING, *NOT_LOADABLE)
    settings = {"breaker_ends": 1_000_000, "quarantine_after": 1_000_000, "max_wait_s": PATIENCE_S}
    with running(make_home(folder, *plugins, **settings)) as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each test makes its own database there."""
    try:
        programs_of_postgres()
    except FileNotFoundError as missing:
        skip(f"POSTGRESQL TESTS DO NOT RUN: {missing}")
    with postgres_beside() as started:
        # What is tested with it are our statements; no power cut is.
        execute(started.url, "ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()")
        yield started
