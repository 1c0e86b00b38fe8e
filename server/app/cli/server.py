"""Runs the application on uvicorn: one process, one loop, an orderly end on Ctrl-C and SIGTERM."""

import asyncio
import contextlib
import gc
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator

import structlog
import uvicorn
from fastapi import FastAPI

from app.api.connection_limit import limited_to
from app.cli import INTERRUPTED, USUAL_THRESHOLDS
from app.cli.descriptors import most_connections, raise_limit
from app.cli.failures import CliError, in_use, told_clearly
from app.cli.listening import BACKLOG, listen, port_of, url_of
from app.observability.logs import configure_logs
from app.settings import Settings, UnsafeSettings, check_safe, unknown_variables
from app.storage.data_folder import read_owner

log = structlog.get_logger("sightgate.server")

# Calls have ended, or had their time to, before uvicorn is told to stop: this is for the answers on their way, seconds.
LAST_ANSWERS_S = 1


def run_server(settings: Settings) -> int:
    """Serve until a signal ends it; return the exit code. Raises CliError if it cannot start."""
    _check_startable(settings)
    configure_logs(settings.log_format, settings.log_level)
    for name, nearest in unknown_variables(os.environ).items():
        log.warning("unknown setting", variable=name, nearest=nearest)
    with told_clearly(settings.data_dir), contextlib.closing(listen(settings.host, settings.port)) as listener:
        settings = settings.model_copy(update={"port": port_of(listener)})
        config = _config(_make_app(settings), settings)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            return runner.run(_serve(config, listener, settings))


def _check_startable(settings: Settings) -> None:
    # The lock and the socket decide; looking first makes for a better line than "port taken" by oneself.
    try:
        check_safe(settings)
    except UnsafeSettings as unsafe:
        raise CliError(str(unsafe)) from unsafe
    with told_clearly(settings.data_dir):
        owner = read_owner(settings.data_dir)
    if owner is not None:
        raise CliError(in_use(settings.data_dir, owner.pid, owner.address))


def _make_app(settings: Settings) -> FastAPI:
    from app.main import create_app

    return create_app(settings)


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
        http=limited_to(most_connections(raise_limit())),
        ws="none",
        lifespan="off",  # entered by _serve, so that what stops a start arrives as itself and not as a log line
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
    )


async def _serve(config: uvicorn.Config, listener: socket.socket, settings: Settings) -> int:
    assert isinstance(config.app, FastAPI)
    app, url = config.app, url_of(listener)

    def announce() -> None:
        app.state.sightgate.lock.announce(url)
        sys.stdout.write(_welcome(url, settings))
        sys.stdout.flush()

    server = _Server(config, announce)
    with _ended_by_signals(server, app.state.sightgate.job_execution.drain) as received:
        try:
            async with app.router.lifespan_context(app):
                await server.serve(sockets=[listener])
        except asyncio.CancelledError:
            if not received:
                raise
    return INTERRUPTED if signal.SIGINT in received else 0


class _Server(uvicorn.Server):
    """Says when it serves; leaves the signals to us, whose handlers hold until all services have stopped."""

    def __init__(self, config: uvicorn.Config, on_serving: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_serving = on_serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell that it serves."""
        await super().startup(sockets)
        # What the start made lives as long as the server: each full collection would walk it again, for 80 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*USUAL_THRESHOLDS)
        self._on_serving()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Capture none: uvicorn raises them again when it has ended, which would cut short our services' stop."""
        return contextlib.nullcontext()


@contextlib.contextmanager
def _ended_by_signals(server: uvicorn.Server, drain: Callable[[], Awaitable[None]]) -> Iterator[list[signal.Signals]]:
    """Let SIGINT and SIGTERM end the server in order, a second SIGINT at once; yield those that came.

    In order means that it first drains, and answers meanwhile: that it takes nothing new, and how its jobs are.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[signal.Signals] = []
    draining: list[asyncio.Task[None]] = []

    async def drain_and_exit(what: signal.Signals) -> None:
        try:
            await drain()
        finally:
            server.handle_exit(what, None)

    def end(what: signal.Signals) -> None:
        received.append(what)
        if server.started and len(received) == 1:
            draining.append(loop.create_task(drain_and_exit(what)))
        elif server.started:
            for running in draining:
                running.cancel()
            server.handle_exit(what, None)
        elif task is not None and len(received) == 1:
            task.cancel()

    for what in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(what, end, what)
    try:
        yield received
    finally:
        for what in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(what)


def _welcome(url: str, settings: Settings) -> str:
    guarded = "API key wanted" if settings.key is not None else "open: no API key, loopback only"
    return f"Sightgate is at {url} ({guarded})\nThe data folder is {settings.data_dir.resolve()}\nCtrl-C stops it.\n"
