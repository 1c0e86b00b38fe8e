"""Every setting of the server, with its unit and default. Read once, at start."""

import os.path
import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.governance.loopback import is_loopback

PREFIX = "SIGHTGATE_"

# What Kubernetes puts into a pod's environment for each Service, after the Service's name.
_SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
_LINKED_PORT = re.compile(r"(tcp|udp|sctp)://")


class Settings(BaseSettings):
    """Set by environment variables with the prefix ``SIGHTGATE_``, or by the options of ``sightgate serve``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", allow_inf_nan=False)

    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback needs `api_key`.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    api_key: SecretStr | None = Field(
        None, description="The key that every route but health wants as a bearer token. At least 16 characters."
    )
    data_dir: Path = Field(Path("data"), description="Folder that holds everything the server keeps.")
    database_url: SecretStr | None = Field(
        None,
        description="Where jobs are kept: `postgresql://USER:PASSWORD@HOST/NAME`, which several servers may share;"
        " SQLite in the data folder if unset.",
    )
    database_timeout_s: float = Field(
        15.0, gt=0, le=300, description="How long a write may be without PostgreSQL's answer before it fails, seconds."
    )
    plugins_dir: Path | None = Field(None, description="Folder of plugin files; none if unset.")
    installed_plugins: bool = Field(True, description="Whether plugins of installed packages are offered.")
    keep_inputs: Literal["accepted", "all"] = Field(
        "accepted", description="Whose inputs are kept: those of accepted jobs, or those of waiting calls too."
    )
    max_body_bytes: int = Field(50 * 1024 * 1024, ge=1024, description="Largest request body, bytes.")
    blob_url: str | None = Field(
        None,
        description="Where inputs and large results are kept: a folder, or "
        "`s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. Unset: `blobs` in the data folder.",
    )
    blob_timeout_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="How long a bucket may be silent before what is asked of it fails, seconds. For each 250 kB of a"
        " blob it has a second more.",
    )
    image_urls: Literal["off", "on"] = Field("off", description="Whether images named by `image_url` are fetched.")
    image_url_timeout_s: float = Field(10.0, gt=0, le=300, description="Longest fetch of an image, seconds in all.")
    image_url_max_bytes: int | None = Field(
        None, ge=1024, description="Largest image that is fetched, bytes; `max_body_bytes` if unset."
    )
    image_url_allow_networks: str = Field(
        "", description="Networks, comma-separated, from which images are fetched although they are not public."
    )
    outbound_ports: str = Field("80,443", description="Ports, comma-separated, of the URLs that callers may name.")
    webhook_secret: SecretStr | None = Field(
        None, min_length=16, description="The key that webhooks are signed with. None are called without it."
    )
    webhook_timeout_s: float = Field(10.0, gt=0, le=300, description="Longest call of a webhook, seconds.")
    webhook_max_attempts: int = Field(8, ge=1, le=50, description="Calls of a webhook after which it is given up.")
    webhook_allow_networks: str = Field(
        "", description="Networks, comma-separated, in which webhooks are called although they are not public."
    )
    max_pixels: int = Field(100_000_000, ge=1, description="Most pixels (width x height) of an image.")
    max_result_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="Largest result as JSON, bytes.")
    max_result_depth: int = Field(64, ge=1, le=200, description="Most levels of nesting in a result.")
    max_waiting: int = Field(32, ge=0, description="Calls that may wait for one plugin; more are refused.")
    max_wait_s: float = Field(10.0, gt=0, description="Longest wait of a call for its plugin, seconds.")
    max_running_jobs: int = Field(64, ge=1, description="Durable jobs that run at once, over all plugins.")
    breaker_ends: int = Field(5, ge=1, description="Ends of a plugin's worker that open its breaker.")
    breaker_within_s: float = Field(60.0, gt=0, description="Time within which those ends must fall, seconds.")
    breaker_rest_s: float = Field(30.0, ge=0, description="Rest of an open breaker before a call may try, seconds.")
    breaker_longest_rest_s: float = Field(
        480.0, ge=0, description="Each rest that follows on another is twice as long, up to this, seconds."
    )
    restart_after_s: float = Field(
        0.5, gt=0, description="Wait before a plugin's worker that is kept ready is started again, seconds; doubles."
    )
    restart_longest_s: float = Field(60.0, gt=0, description="Longest such wait, seconds.")
    restart_budget: int = Field(
        10, ge=0, description="Such restarts in a row; then only a call or a reload starts a worker."
    )
    quarantine_after: int = Field(3, ge=1, description="Crashes by one input after which a plugin refuses it.")
    sandbox: Literal["on", "off"] = Field(
        "on", description="Whether workers are confined by the kernel where it can; `off` is for looking for faults."
    )
    min_isolation: Literal["process", "sandbox"] = Field(
        "process", description="Least isolation, as measured, below which a plugin does not run."
    )
    start_timeout_s: float = Field(60.0, gt=0, description="Longest start of a worker, loading included, seconds.")
    discovery_timeout_s: float = Field(30.0, gt=0, description="Longest import of a plugin at discovery, seconds.")
    idle_s: float = Field(600.0, gt=0, description="An unused worker ends after this time, seconds.")
    recycle_calls: int = Field(100_000, ge=1, description="Calls after which a worker is replaced.")
    recycle_growth_mb: int = Field(
        512, ge=1, description="Memory beyond its first calls' above which a worker is replaced, MiB."
    )
    drain_s: float = Field(10.0, ge=0, description="Time that running calls get at shutdown, seconds.")
    lease_s: float = Field(
        15.0, gt=0, description="A server that is silent for so long loses its running jobs to others, seconds."
    )
    retry_attempts: int = Field(
        1, ge=1, le=100, description="How often a job that fails is tried in all, where nothing else is said."
    )
    retry_backoff_s: float = Field(1.0, ge=0, description="Rest before its second try, doubled each time, seconds.")
    retry_max_backoff_s: float = Field(300.0, ge=0, description="Longest rest between two tries, seconds.")
    retain_days: float = Field(
        30.0, ge=0, le=36_500, description="Days that ended jobs are kept; 0 keeps them for good."
    )
    retain_jobs: int = Field(0, ge=0, description="Ended jobs that are kept at most; 0 means any number.")
    sweep_s: float = Field(300.0, gt=0, description="Time between two removals of old jobs and blobs, seconds.")
    blob_grace_s: float = Field(
        3_600.0,
        ge=1,
        le=31_536_000,
        description="Age at which an input or result that no job names is removed, seconds.",
    )
    large_result_bytes: int = Field(
        256 * 1024,
        ge=0,
        description="Results above this size as JSON lie beside the images, not in rows, bytes.",
    )
    durability: Literal["full", "normal"] = Field(
        "full", description="`full`: an accepted job survives a power cut; `normal`: a crash of the server."
    )
    history_every_s: float = Field(
        10.0, ge=0.1, description="Time between the figures of `GET /v1/history`, seconds; the newest 360 are held."
    )
    log_format: Literal["auto", "json", "readable"] = Field(
        "auto", description="Log lines: JSON, or readable; `auto` is readable on a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @field_validator("data_dir", "plugins_dir", "blob_url", mode="before")
    @classmethod
    def _is_named(cls, place: object) -> object:
        # An empty path is the folder that the server was started in, whose `scratch` would be emptied.
        if place == "":
            raise ValueError("must not be empty")
        return place

    @field_validator("port", mode="before")
    @classmethod
    def _is_no_service_link(cls, port: object) -> object:
        # For a Service named `sightgate` Kubernetes sets SIGHTGATE_PORT, unless the pod sets it: nobody set ours.
        is_link = isinstance(port, str) and _LINKED_PORT.match(port)
        return cls.model_fields["port"].default if is_link else port

    @field_validator("blob_url")
    @classmethod
    def _is_folder_or_bucket(cls, place: str | None) -> str | None:
        if place is None or place.startswith("s3://"):
            return place
        if "://" in place:
            raise ValueError("must be a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME")
        folder = Path(place).absolute()
        if not next(filter(os.path.exists, (folder, *folder.parents))).is_dir():
            raise ValueError(f"must be a folder; {place} is a file, or lies below one")
        return place

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        # A file elsewhere would be without the lock that keeps a second server off the data folder.
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must be postgresql://USER:PASSWORD@HOST/NAME; unset, jobs are in the data folder")
        return url

    @field_validator("image_url_allow_networks", "webhook_allow_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks_of(text)
        return text

    @field_validator("outbound_ports")
    @classmethod
    def _are_ports(cls, text: str) -> str:
        ports_of(text)
        return text

    @property
    def database(self) -> Path | str:
        """Where jobs are kept: a URL, or a file in the data folder."""
        return self.data_dir / "jobs.sqlite3" if self.database_url is None else self.database_url.get_secret_value()

    @property
    def key(self) -> str | None:
        """The API key as text, or None."""
        return self.api_key.get_secret_value() if self.api_key is not None else None


def networks_of(text: str) -> Sequence[IPv4Network | IPv6Network]:
    """Return networks such as ``10.0.0.0/8,fd00::/8``. Raises ValueError."""
    return [ip_network(network.strip()) for network in text.split(",") if network.strip()]


def ports_of(text: str) -> frozenset[int]:
    """Return ports such as ``80,443``. Raises ValueError."""
    said = "ports are numbers from 1 to 65535, comma-separated"
    try:
        ports = frozenset(int(port) for port in text.split(",") if port.strip())
    except ValueError:
        raise ValueError(said) from None
    if not ports or not all(1 <= port <= 65_535 for port in ports):
        raise ValueError(said)
    return ports


def unknown_variables(names: Collection[str]) -> dict[str, str | None]:
    """Return those of the environment's names that look like a setting and are none, with the setting that is nearest.

    They are told, not refused: an orchestrator puts names of its own into the environment. Those of Kubernetes'
    Services are left out.
    """
    known = [name.upper() for name in Settings.model_fields]
    own = sorted(set(names) - set(_service_links(names)))
    unknown = [name for given in own if (name := given.removeprefix(PREFIX)) != given and name not in known]
    nearest = {name: next(iter(get_close_matches(name, known, n=1)), None) for name in unknown}
    return {PREFIX + name: PREFIX + near if near else None for name, near in nearest.items()}


def _service_links(names: Collection[str]) -> Iterable[str]:
    hosts = [name for name in names if name.endswith("_SERVICE_HOST")]
    for service in (host.removesuffix("SERVICE_HOST") for host in hosts):
        links = (name for name in names if name.startswith(service))
        yield from (name for name in links if _SERVICE_LINK.fullmatch(name, len(service)))


class UnsafeSettings(ValueError):
    """The settings would expose the server; the message holds the command that mends it."""


def check_safe(settings: Settings) -> None:
    """Raise UnsafeSettings if the server would listen beyond loopback without an API key, or with a weak one."""
    if settings.key is not None and len(settings.key) < 16:
        raise UnsafeSettings("the API key is shorter than 16 characters; make one:\n  " + _MAKE_KEY)
    if settings.key is None and not is_loopback(settings.host):
        raise UnsafeSettings(
            f"refusing to listen on {settings.host} without an API key: anybody who reaches it could run plugins.\n"
            f"Set one, then start again:\n  {_MAKE_KEY}"
        )


_MAKE_KEY = "export SIGHTGATE_API_KEY=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
