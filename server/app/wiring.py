"""The composition root: the only place that builds services and hands them to each other."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

import structlog

from app.governance.isolation import IsolationLevel
from app.governance.retry import RetryPolicy
from app.governance.validation import InputRules, OutputRules
from app.observability.history import History
from app.observability.metrics import Metrics
from app.observability.readiness import Readiness
from app.outbound.addresses import AddressRules
from app.outbound.client import OutboundHttp
from app.outbound.targets import TargetRules
from app.plugins.loader.environments import PluginEnvironments
from app.plugins.loader.plugin_discovery import DiscoveryOptions
from app.plugins.loader.plugin_registry import PluginRegistry, get_registry
from app.plugins.runtime.tool_runner import ToolRunner
from app.plugins.sandbox.cgroups import Cgroups
from app.plugins.sandbox.confinement import Confinement
from app.plugins.sandbox.embedded import EmbeddedThreads
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.pool import PoolOptions
from app.plugins.sandbox.remove_tree import remove_tree
from app.plugins.sandbox.standby import StandbyRules
from app.services.analysis_service import AnalysisService
from app.services.execution.admission_desk import AdmissionRules
from app.services.execution.analysis_execution_service import AnalysisExecutionService
from app.services.execution.breaker import BreakerRules
from app.services.execution.job_execution_service import JobExecutionService, JobRules
from app.services.execution.job_inputs import JobInputs
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.grants import RunningRules
from app.services.job_events import JobEvents
from app.services.job_management_service import JobManagementService
from app.services.job_results import JobResults
from app.services.job_retention import JobRetention, RetentionRules
from app.services.job_streams import JobStreams
from app.services.plugin_installation_service import PluginInstallationService, RunningServer
from app.services.plugin_management_service import PluginManagementService, PluginPlaces
from app.services.remote_images import FetchedImages, FetchRules, NoRemoteImages, RemoteImages
from app.services.server_gauges import ServerGauges
from app.services.server_load import ServerLoad
from app.services.webhook_service import DEFAULT_RETRY, DeliveryRules, NoWebhooks, WebhookService
from app.settings import Settings, networks_of, ports_of
from app.storage.blobs import Blobs, open_blobs
from app.storage.data_folder import DataFolderLock
from app.storage.opening import open_store
from app.storage.sqlite import Durability
from app.storage.store import JobStore

log = structlog.get_logger("sightgate")

# In the data folder.
OPERATOR_FILE, ENVIRONMENTS = "plugins.toml", "plugins"


@dataclass(frozen=True, slots=True)
class Sightgate:
    """All services of one server. ``start`` and ``stop`` are called once each, on the loop that serves."""

    settings: Settings
    registry: PluginRegistry
    remote_images: RemoteImages
    webhooks: WebhookService | NoWebhooks
    tool_runner: ToolRunner
    plugin_execution: PluginExecutionService
    job_execution: JobExecutionService
    analysis_execution: AnalysisExecutionService
    plugins: PluginManagementService
    jobs: JobManagementService
    job_streams: JobStreams
    retention: JobRetention
    metrics: Metrics
    history: History
    home: HomeLoop
    threads: EmbeddedThreads
    store: JobStore
    blobs: Blobs
    lock: DataFolderLock

    async def start(
        self, address: str | None = None, *, only: Collection[str] | None = None, dispatch: bool = True
    ) -> None:
        """Open the store, find the plugins, take up jobs. Raises DataFolderInUse, StorageError, OperatorFileError.

        ``only`` names the plugins that are wanted, ``dispatch`` says whether waiting jobs are run: a command that
        runs one analysis needs neither the others nor them.
        """
        self.home.adopt()
        self.lock.acquire(address)
        try:
            remove_tree(self.settings.data_dir / "scratch")  # of a server that was killed
            await self.open_storage()
            await self.plugins.discover(only)
            if dispatch:
                await self.job_execution.start()
                await self.webhooks.start()
                self.history.start()
                self.retention.start()
        except BaseException:
            await self.stop()
            raise
        log.info("started", plugins=len(self.registry.list_plugins()), address=address)

    async def open_storage(self) -> None:
        """Open the store. Where jobs have inputs, their place is expected to be there. Raises StorageError."""
        await self.store.start()
        if await self.store.has_inputs():
            self.blobs.expect()

    async def stop(self) -> None:
        """Let running jobs end within the drain time, end the workers, flush the store."""
        await self.history.stop()
        await self.retention.stop()
        await self.job_execution.stop()
        await self.webhooks.stop()
        await self.remote_images.close()
        await self.plugins.close()
        self.threads.close()
        await self.store.close()
        await self.blobs.close()
        self.lock.release()

    async def readiness(self) -> Readiness:
        """Return whether calls can be served, and why not."""
        reasons = []
        of_jobs, of_blobs = await asyncio.gather(self.store.check(), self.blobs.check())
        if of_jobs is not None:
            reasons.append(f"the job store: {of_jobs}")
        if of_blobs is not None:
            reasons.append(of_blobs)
        if self.job_execution.draining:
            reasons.append("the server is stopping")
        elif not self.job_execution.dispatching:
            reasons.append("durable jobs are not being taken up")
        if not self.plugins.discovered:
            reasons.append("plugins are still being looked for")
        names = self.registry.list_plugins()
        pools = self.plugins.pools()
        usable = {
            name: self.plugin_execution.would_run(name) and (name not in pools or pools[name].ready) for name in names
        }
        return Readiness(reasons, usable)


def build(settings: Settings, registry: PluginRegistry | None = None) -> Sightgate:
    """Build all services; nothing is opened or started yet. Embedded plugins are those of ``registry``."""
    registry = registry if registry is not None else get_registry()
    home, threads = HomeLoop(), EmbeddedThreads()
    data = settings.data_dir
    store = open_store(
        settings.database,
        durability=Durability(settings.durability),
        lease_s=settings.lease_s,
        timeout_s=settings.database_timeout_s,
    )
    metrics = Metrics(registry.knows)
    tool_runner = ToolRunner(
        registry,
        observer=metrics,
        input_rules=InputRules(settings.max_pixels),
        output_rules=OutputRules(settings.max_result_bytes, settings.max_result_depth),
        threads=threads,
    )
    plugin_execution = PluginExecutionService(
        registry, tool_runner, home, rules=_admission_rules(settings), observer=metrics
    )
    remote_images, webhooks = _remote_images(settings, metrics), _webhooks(settings, store, metrics)
    blobs, events = open_blobs(settings.blob_url or data / "blobs", settings.blob_timeout_s), JobEvents()
    results = JobResults(blobs, settings.large_result_bytes)

    def why_not(plugin: str) -> str | None:
        # Where nothing is taken up (a command without a server), plugins are not looked for either.
        return plugin_execution.why_not(plugin) if job_execution.dispatching else None

    jobs = JobManagementService(store, blobs, results, events, why_not)
    confinement = _confinement(settings)
    plugins = PluginManagementService(
        registry,
        store,
        home,
        PluginPlaces(
            settings.plugins_dir,
            data / OPERATOR_FILE,
            environments_of(settings),
            settings.installed_plugins,
        ),
        DiscoveryOptions(confinement, settings.discovery_timeout_s),
        _pool_options(settings, confinement),
        enabled_elsewhere=plugin_execution.forget,
    )
    job_execution = JobExecutionService(
        store,
        JobInputs(store, blobs),
        results,
        plugin_execution,
        jobs,
        events,
        metrics,
        home,
        JobRules(settings.max_running_jobs, settings.keep_inputs == "all", settings.drain_s, settings.lease_s),
        policy_of=partial(plugins.retry_policy, default=_retry_policy(settings)),
        webhooks=webhooks,
    )
    gauges = ServerGauges(registry, plugins, store, events)
    metrics.add_gauges(gauges.read)
    metrics.add_async_gauges(gauges.read_waiting)
    return Sightgate(
        settings=settings,
        registry=registry,
        remote_images=remote_images,
        webhooks=webhooks,
        tool_runner=tool_runner,
        plugin_execution=plugin_execution,
        job_execution=job_execution,
        analysis_execution=AnalysisExecutionService(
            AnalysisService(remote_images), job_execution, plugin_execution, home, webhooks
        ),
        plugins=plugins,
        jobs=jobs,
        job_streams=JobStreams(jobs, events, store.server_id),
        retention=JobRetention(store, blobs, _retention_rules(settings), on_removed=events.many_changed),
        metrics=metrics,
        history=History(
            metrics.totals, ServerLoad(registry, plugin_execution, plugins, store).read, settings.history_every_s
        ),
        home=home,
        threads=threads,
        store=store,
        blobs=blobs,
        lock=DataFolderLock(data),
    )


def environments_of(settings: Settings) -> PluginEnvironments:
    """Return the plugins' own environments in the data folder."""
    return PluginEnvironments(settings.data_dir / ENVIRONMENTS)


def build_installation(settings: Settings, server: RunningServer) -> PluginInstallationService:
    """Build what installs plugins; ``server`` is the one that runs on the data folder."""
    confinement = _confinement(settings)
    return PluginInstallationService(
        environments_of(settings),
        settings.data_dir / OPERATOR_FILE,
        RunningRules(OPERATOR_FILE, confinement),
        DiscoveryOptions(confinement, settings.discovery_timeout_s),
        settings.start_timeout_s,
        server,
    )


def _remote_images(settings: Settings, metrics: Metrics) -> RemoteImages:
    if settings.image_urls == "off":
        return NoRemoteImages()
    rules = FetchRules(
        settings.image_url_max_bytes or settings.max_body_bytes, settings.max_body_bytes, settings.image_url_timeout_s
    )
    return FetchedImages(_outbound(settings, settings.image_url_allow_networks), rules, metrics.fetched)


def _webhooks(settings: Settings, store: JobStore, metrics: Metrics) -> WebhookService | NoWebhooks:
    if settings.webhook_secret is None:
        return NoWebhooks()
    retry = replace(DEFAULT_RETRY, max_attempts=settings.webhook_max_attempts)
    rules = DeliveryRules(
        settings.webhook_secret.get_secret_value(), settings.webhook_timeout_s, retry, settings.lease_s
    )
    http = _outbound(settings, settings.webhook_allow_networks)
    return WebhookService(store, http, rules, metrics.called_webhook)


def _outbound(settings: Settings, allowed: str) -> OutboundHttp:
    return OutboundHttp(TargetRules(AddressRules(networks_of(allowed)), ports_of(settings.outbound_ports)))


def _confinement(settings: Settings) -> Confinement:
    enforce = settings.sandbox == "on"
    return Confinement(
        (settings.data_dir / "scratch").absolute(),
        enforce,
        Cgroups.detect(may_move=True) if enforce else None,
        IsolationLevel(settings.min_isolation),
    )


def _pool_options(settings: Settings, confinement: Confinement) -> PoolOptions:
    return PoolOptions(
        confinement,
        max_wait_s=settings.max_wait_s,
        start_timeout_s=settings.start_timeout_s,
        idle_s=settings.idle_s,
        recycle_calls=settings.recycle_calls,
        recycle_growth_mb=settings.recycle_growth_mb,
        max_result_bytes=settings.max_result_bytes,
        standby=StandbyRules(settings.restart_after_s, settings.restart_longest_s, settings.restart_budget),
    )


def _admission_rules(settings: Settings) -> AdmissionRules:
    breaker = BreakerRules(
        settings.breaker_ends,
        settings.breaker_within_s,
        settings.breaker_rest_s,
        settings.breaker_longest_rest_s,
        settings.quarantine_after,
    )
    return AdmissionRules(settings.max_waiting, settings.max_wait_s, breaker)


def _retry_policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=settings.retry_attempts,
        backoff_s=settings.retry_backoff_s,
        max_backoff_s=settings.retry_max_backoff_s,
    )


def _retention_rules(settings: Settings) -> RetentionRules:
    return RetentionRules(settings.retain_days, settings.retain_jobs, settings.sweep_s, settings.blob_grace_s)
