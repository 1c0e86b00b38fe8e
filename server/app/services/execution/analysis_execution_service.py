"""What the caller asked: acquires the image once, checks the request, waits for the end or returns at once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from app.governance.errors import RequestError
from app.plugins.sandbox.home_loop import HomeLoop
from app.services.analysis_service import AcquiredImage, AnalysisService
from app.services.execution.job_execution_service import JobExecutionService, JobOutcome
from app.services.execution.plugin_execution_service import PluginExecutionService


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image as base64 text, with the type that its sender declares."""

    text: str
    mime_type: str | None


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """An image as bytes, with the type that the transport declares, if it does."""

    data: bytes
    mime_type: str | None


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image to be fetched from a URL, with the type that the caller declares, if he does."""

    url: str
    mime_type: str | None


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """One request as it came over any transport.

    ``timeout_s`` is how long it may wait and run in all, within the plugin's own limit; ``owner`` is who asks.
    """

    plugin: str
    image: EncodedImage | UploadedImage | RemoteImage
    options: dict[str, Any] = field(default_factory=dict)
    owner: str | None = None
    timeout_s: float | None = None


class AnalysisExecutionService:
    """Owns the request. It does not judge the image: the gate does."""

    def __init__(
        self, images: AnalysisService, jobs: JobExecutionService, plugins: PluginExecutionService, home: HomeLoop
    ) -> None:
        self._images = images
        self._jobs = jobs
        self._plugins = plugins
        self._home = home

    def analyze(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run one analysis and wait; return ``(result, {})`` or ``({}, envelope)``."""
        return self._home.run(self.analyze_async(plugin_name, payload))

    async def analyze_async(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The awaitable twin of ``analyze``."""
        outcome = await self._run_waiting(plugin_name, payload)
        return outcome.result, outcome.envelope

    async def execute(self, request: AnalysisRequest) -> JobOutcome:
        """Run a request and wait for its end. Raises RequestError if the request itself cannot be used."""
        began = asyncio.get_running_loop().time()
        payload = await self._payload_of(request, request.timeout_s)
        timeout_s = request.timeout_s
        if timeout_s is not None and isinstance(request.image, RemoteImage):
            timeout_s = max(0.0, timeout_s - (asyncio.get_running_loop().time() - began))
        return await self._run_waiting(request.plugin, payload, request.owner, timeout_s)

    def refuse_if_full(self, plugin_name: str) -> None:
        """Raise PluginRefused ``overloaded`` if a call would be refused: asked before an image is read."""
        self._plugins.refuse_if_full(plugin_name)

    async def submit(self, request: AnalysisRequest) -> str:
        """Accept a request as a durable job and return its id. An image that is named by URL is fetched now.

        Raises RequestError if the request cannot be used, PluginError if its plugin is unknown or cannot run now,
        StorageError if the job cannot be made durable.
        """
        payload = await self._payload_of(request)
        self._plugins.check(request.plugin)
        return await self._jobs.create_job_async(
            request.plugin, payload, owner=request.owner, timeout_s=request.timeout_s
        )

    async def _run_waiting(
        self, plugin_name: str, payload: dict[str, Any], owner: str | None = None, timeout_s: float | None = None
    ) -> JobOutcome:
        job_id = await self._jobs.create_job_async(
            plugin_name, payload, durable=False, owner=owner, timeout_s=timeout_s
        )
        return await self._jobs.run_to_end(job_id)

    async def _payload_of(self, request: AnalysisRequest, timeout_s: float | None = None) -> dict[str, Any]:
        if not request.plugin:
            raise RequestError("missing_plugin", "name a plugin; GET /v1/plugins lists them", field="plugin")
        if isinstance(request.image, RemoteImage):
            image = await self._fetch(request.plugin, request.image, timeout_s)
        else:
            image = self._acquire(request.image)
        return {"image": image.data, "mime_type": image.mime_type, "options": request.options}

    def _acquire(self, image: EncodedImage | UploadedImage) -> AcquiredImage:
        if isinstance(image, EncodedImage):
            return self._images.from_base64(image.text, image.mime_type)
        return self._images.from_bytes(image.data, image.mime_type)

    async def _fetch(self, plugin_name: str, image: RemoteImage, timeout_s: float | None) -> AcquiredImage:
        # Nobody is called for a request that will be refused anyway.
        self._plugins.check(plugin_name)
        self._plugins.refuse_if_full(plugin_name)
        return await self._images.from_url(image.url, image.mime_type, timeout_s)
