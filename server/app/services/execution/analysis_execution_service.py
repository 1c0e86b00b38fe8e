"""What the caller asked: acquires the image once, checks the request, waits for the end or returns at once."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.governance.errors import GovernedError, RequestError, shorten
from app.plugins.sandbox.home_loop import HomeLoop
from app.services.analysis_service import AcquiredImage, AnalysisService
from app.services.execution.job_execution_service import JobExecutionService
from app.services.execution.job_outcome import JobOutcome
from app.services.execution.job_terms import Accepted, AcceptedBatch, JobTerms, Submission
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.job_events import Progress

MOST_IN_BATCH = 1_000


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


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Many images for one or several plugins, as it came over any transport. ``options`` are by plugin."""

    plugins: Sequence[str]
    images: Sequence[EncodedImage | UploadedImage | RemoteImage]
    options: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    owner: str | None = None
    timeout_s: float | None = None


class WebhookCheck(Protocol):
    """Decides at submission whether an address may be called when a job ends."""

    async def check_url(self, url: str) -> None:
        """Raise RequestError if it may not be called."""


class AnalysisExecutionService:
    """Owns the request. It does not judge the image: the gate does."""

    def __init__(
        self,
        images: AnalysisService,
        jobs: JobExecutionService,
        plugins: PluginExecutionService,
        home: HomeLoop,
        webhooks: WebhookCheck,
    ) -> None:
        self._images = images
        self._jobs = jobs
        self._plugins = plugins
        self._home = home
        self._webhooks = webhooks

    def analyze(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run one analysis and wait; return ``(result, {})`` or ``({}, envelope)``."""
        return self._home.run(self.analyze_async(plugin_name, payload))

    async def analyze_async(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The awaitable twin of ``analyze``."""
        outcome = await self._run_waiting(plugin_name, payload)
        return outcome.result, outcome.envelope

    async def execute(self, request: AnalysisRequest, tell: Callable[[Progress], None] | None = None) -> JobOutcome:
        """Run a request and wait for its end. Raises RequestError if the request itself cannot be used.

        ``tell`` is called with what the plugin reports while it runs.
        """
        timeout_s = request.timeout_s
        if isinstance(request.image, RemoteImage):
            self.refuse_if_full(request.plugin)
        began = asyncio.get_running_loop().time()
        payload = await self._payload_of(request, timeout_s)
        if timeout_s is not None and isinstance(request.image, RemoteImage):
            timeout_s = max(0.0, timeout_s - (asyncio.get_running_loop().time() - began))
        return await self._run_waiting(request.plugin, payload, request.owner, timeout_s, tell)

    def refuse_if_full(self, plugin_name: str) -> None:
        """Raise PluginRefused ``overloaded`` or ``shutting_down`` if a call would be refused: asked before an image is
        read.
        """
        self._jobs.refuse_if_draining()
        self._plugins.refuse_if_full(plugin_name)

    async def submit(self, request: AnalysisRequest, terms: JobTerms | None = None) -> Accepted:
        """Accept a request as a durable job. An image that is named by URL is fetched now, not when it runs.

        Raises RequestError if the request or its terms cannot be used, PluginError if its plugin is unknown or cannot
        run now, StorageError if the job cannot be made durable.
        """
        terms = terms or JobTerms()
        asked = Submission.of_one(request.plugin, request.options, terms, request.owner, request.timeout_s)
        source = _source_of(request.image)
        if source is not None and terms.key is not None:
            replayed = await self._jobs.find_replayed(asked, {"source": source})
            if replayed is not None:
                return replayed
        payload = await self._payload_of(request)
        payload["source"] = source
        try:
            await self._check_all([request.plugin], terms)
        except GovernedError:  # what was accepted is told again, whatever has changed since
            replayed = await self._jobs.find_replayed(asked, payload) if terms.key is not None else None
            if replayed is None:
                raise
            return replayed
        return await self._jobs.accept(asked, payload)

    async def submit_batch(self, request: BatchRequest, terms: JobTerms | None = None) -> AcceptedBatch:
        """Accept a durable job for each image and plugin, all or none. Raises as `submit` does."""
        terms = terms or JobTerms()
        _check_size(request)
        asked = Submission(request.plugins, request.options, terms, request.owner, request.timeout_s)
        sources = [_source_of(image) for image in request.images]
        try:
            await self._check_all(request.plugins, terms)
        except GovernedError:
            replayed = await self._find_batch(asked, request.images)
            if replayed is None:
                raise
            return replayed
        if any(sources):  # what was accepted is told again, whatever is at its URLs by now
            replayed = await self._find_batch(asked, request.images)
            if replayed is not None:
                return replayed
        payloads = [
            {"image": image.data, "mime_type": image.mime_type, "source": source}
            for source, image in zip(sources, await self._acquire_all(request.images), strict=True)
        ]
        return await self._jobs.accept_batch(asked, payloads)

    async def _find_batch(
        self, asked: Submission, images: Sequence[EncodedImage | UploadedImage | RemoteImage]
    ) -> AcceptedBatch | None:
        """Return what an earlier request with the same key was answered; no image is fetched."""
        if asked.terms.key is None:
            return None
        payloads: list[dict[str, Any]] = []
        for number, image in enumerate(images):
            if isinstance(image, RemoteImage):
                payloads.append({"source": _source_of(image)})
            else:
                sent = self._acquire_of_batch(number, image)
                payloads.append({"image": sent.data, "mime_type": sent.mime_type})
        return await self._jobs.find_replayed_batch(asked, payloads)

    async def requeue(self, job_id: str, key: str | None = None) -> Accepted:
        """Accept a new durable job with the input and options of another; the same ``key`` gives the same one again.

        Raises as `submit` does, and RequestError ``job_not_found``, or ``not_found`` if the input was not kept.
        """
        return await self._jobs.requeue(job_id, self._plugins.check, key)

    async def _run_waiting(
        self,
        plugin_name: str,
        payload: dict[str, Any],
        owner: str | None = None,
        timeout_s: float | None = None,
        tell: Callable[[Progress], None] | None = None,
    ) -> JobOutcome:
        job_id = await self._jobs.create_job_async(
            plugin_name, payload, durable=False, owner=owner, timeout_s=timeout_s
        )
        return await self._jobs.run_to_end(job_id, tell)

    async def _check_all(self, plugins: Sequence[str], terms: JobTerms) -> None:
        """Raise GovernedError if a job of one of the plugins, or its webhook, would be refused now."""
        for plugin in plugins:
            self._plugins.check(plugin)
        if terms.webhook is not None:
            await self._webhooks.check_url(terms.webhook)

    async def _payload_of(self, request: AnalysisRequest, timeout_s: float | None = None) -> dict[str, Any]:
        if not request.plugin:
            raise RequestError("missing_plugin", "name a plugin; GET /v1/plugins lists them", field="plugin")
        if isinstance(request.image, RemoteImage):
            image = await self._fetch(request.plugin, request.image, timeout_s)
        else:
            image = self._acquire(request.image)
        return {"image": image.data, "mime_type": image.mime_type, "options": request.options}

    async def _acquire_all(self, images: Sequence[EncodedImage | UploadedImage | RemoteImage]) -> list[AcquiredImage]:
        numbered = enumerate(images)
        remote = {number: (one.url, one.mime_type) for number, one in numbered if isinstance(one, RemoteImage)}
        fetched = iter(await self._images.from_urls(remote))
        acquired: list[AcquiredImage] = []
        for number, image in enumerate(images):
            if isinstance(image, RemoteImage):
                acquired.append(next(fetched))
            else:
                acquired.append(self._acquire_of_batch(number, image))
        return acquired

    def _acquire_of_batch(self, number: int, image: EncodedImage | UploadedImage) -> AcquiredImage:
        try:
            return self._acquire(image)
        except RequestError as refused:
            raise refused.of_image(number) from None

    def _acquire(self, image: EncodedImage | UploadedImage) -> AcquiredImage:
        if isinstance(image, EncodedImage):
            return self._images.from_base64(image.text, image.mime_type)
        return self._images.from_bytes(image.data, image.mime_type)

    async def _fetch(self, plugin_name: str, image: RemoteImage, timeout_s: float | None) -> AcquiredImage:
        self._plugins.check(plugin_name)  # nobody is called for a request that will be refused anyway
        return await self._images.from_url(image.url, image.mime_type, timeout_s)


def _source_of(image: EncodedImage | UploadedImage | RemoteImage) -> str | None:
    """Return what tells two requests apart in the place of the image: its URL may give another one the next time."""
    return f"{image.url} {image.mime_type or ''}" if isinstance(image, RemoteImage) else None


def _check_size(request: BatchRequest) -> None:
    """Raise RequestError unless the batch has 1 to 1,000 jobs, and options for its own plugins only."""
    plugins = request.plugins
    if not plugins or not all(plugins):
        raise RequestError("missing_plugin", "name one plugin or more; GET /v1/plugins lists them", field="plugins")
    if len(set(plugins)) < len(plugins):
        raise RequestError("malformed_request", "a plugin is named twice", field="plugins")
    jobs = len(plugins) * len(request.images)
    if not 1 <= jobs <= MOST_IN_BATCH:
        said = f"a batch has 1 to {MOST_IN_BATCH} jobs, images times plugins; this one would have {jobs}"
        raise RequestError("malformed_request", said, field="images")
    unknown = sorted(request.options.keys() - set(plugins))
    if unknown:
        said = f"options name {shorten(unknown[0])!r}, which is none of the plugins of the batch"
        raise RequestError("malformed_request", said, field="options")
