"""The backend that starts the server's own services in this process, for one command."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from app import wiring
from app.cli.backend import Analysis, Backend, JsonObject
from app.cli.failures import CliError
from app.cli.jobs_in_process import JobsInProcess, told
from app.cli.options import check_plugins_dir
from app.governance.error_envelope import build_error_envelope
from app.governance.errors import GovernedError, RequestError
from app.observability.logs import configure_logs
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.execution.analysis_execution_service import AnalysisRequest, RemoteImage, UploadedImage
from app.settings import Settings


@asynccontextmanager
async def with_plugins(settings: Settings, only: Collection[str] | None = None) -> AsyncIterator[Backend]:
    """Start the services, with all plugins or those named by ``only``; no waiting job is taken up.

    Raises StorageError, OperatorFileError, CliError.
    """
    check_plugins_dir(settings.plugins_dir)
    gate = _build(settings)
    await gate.start(only=only, dispatch=False)
    try:
        yield InProcess(gate)
    finally:
        await gate.stop()


@asynccontextmanager
async def with_jobs(settings: Settings) -> AsyncIterator[Backend]:
    """Open the job store alone; no plugin is looked for and no job is taken up. Raises StorageError, CliError."""
    if not settings.data_dir.is_dir():
        raise CliError(f"there is no data folder {settings.data_dir}; name it with --data-dir")
    gate = _build(settings)
    gate.lock.acquire()
    try:
        await gate.open_storage()
        try:
            yield InProcess(gate)
        finally:
            await gate.store.close()
            await gate.blobs.close()
    finally:
        gate.lock.release()


class InProcess:
    """A Backend over services of this process."""

    def __init__(self, gate: wiring.Sightgate) -> None:
        self._gate = gate
        self.jobs = JobsInProcess(gate)

    async def analyze(self, plugin: str, image: bytes, options: JsonObject) -> Analysis:
        """Run one analysis. A failure of the image or the plugin is in the answer."""
        try:
            self._check_size(image)
        except GovernedError as refused:
            return Analysis(error=build_error_envelope(refused, plugin)["error"])
        return await self._analyze(AnalysisRequest(plugin, UploadedImage(image, None), dict(options)))

    async def analyze_url(self, plugin: str, url: str, options: JsonObject) -> Analysis:
        """Fetch the image, if the settings say so. A failure of the URL, the image or the plugin is in the answer."""
        return await self._analyze(AnalysisRequest(plugin, RemoteImage(url, None), dict(options)))

    async def _analyze(self, request: AnalysisRequest) -> Analysis:
        try:
            outcome = await self._gate.analysis_execution.execute(request)
        except GovernedError as refused:
            return Analysis(error=build_error_envelope(refused, request.plugin)["error"])
        error = outcome.envelope["error"] if outcome.envelope else {}
        return Analysis(outcome.result, error, outcome.job_id, outcome.running_ms)

    async def list_plugins(self) -> Sequence[JsonObject]:
        """Return the row of every plugin."""
        return self._gate.plugins.show_all()

    async def show_plugin(self, name: str) -> JsonObject:
        """Return one plugin's row."""
        with told():
            return self._gate.plugins.show(name)

    def _check_size(self, image: bytes) -> None:
        limit = self._gate.settings.max_body_bytes
        if len(image) > limit:
            raise RequestError("body_too_large", f"the image is larger than {limit} bytes", limit_bytes=limit)


def _build(settings: Settings) -> wiring.Sightgate:
    # What succeeds is shown by the command itself.
    configure_logs(settings.log_format, "error" if settings.log_level == "error" else "warning")
    # A registry of its own: nothing that another part of this process registered is offered.
    return wiring.build(settings, PluginRegistry())
