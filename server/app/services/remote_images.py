"""Images that a caller names by URL: fetched within limits, and told apart by code when they are not."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.governance.errors import RequestError
from app.outbound.client import Fetched, OutboundHttp
from app.outbound.errors import AnswerTooLarge, CallFailed, UrlRefused

TURN_ON = "SIGHTGATE_IMAGE_URLS=on"
FIELD = "image_url"
MOST_IN_BATCH = 100
BATCH_AT_ONCE = 8


class RemoteImages(Protocol):
    """Where the images come from that requests name by URL."""

    async def fetch(self, url: str, timeout_s: float | None) -> Fetched:
        """Return the image at a URL, within ``timeout_s`` and the server's own limit. Raises RequestError."""
        ...

    async def fetch_all(self, urls: Mapping[int, str]) -> list[Fetched]:
        """Return images of a batch in their order, or fail as the first of them does. Raises RequestError.

        ``urls`` are by the image's number in the batch, which a refusal names.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class NoRemoteImages:
    """What stands there while the operator has not turned it on."""

    async def fetch(self, url: str, timeout_s: float | None) -> Fetched:
        """Raise RequestError ``image_url_disabled``."""
        said = f"this server fetches no images; its operator turns it on by {TURN_ON}"
        raise RequestError("image_url_disabled", said, field=FIELD)

    async def fetch_all(self, urls: Mapping[int, str]) -> list[Fetched]:
        """Raise RequestError ``image_url_disabled``."""
        return [await self.fetch(url, None) for url in urls.values()]

    async def close(self) -> None:
        """There are none."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Largest image, and all images of a batch together, bytes; longest fetch, seconds, waiting for a turn included;
    how many are fetched at once.
    """

    max_bytes: int
    max_batch_bytes: int
    timeout_s: float
    at_once: int = 16


class FetchedImages:
    """Fetches images through the guarded way out. ``observe`` is told the code of each end, None for success."""

    def __init__(self, http: OutboundHttp, rules: FetchRules, observe: Callable[[str | None], None]) -> None:
        self._http = http
        self._rules = rules
        self._observe = observe
        self._turns = asyncio.Semaphore(rules.at_once)

    async def fetch(self, url: str, timeout_s: float | None) -> Fetched:
        """Return the image. Raises RequestError ``image_url_refused``, ``…_failed``, ``…_too_large``."""
        limit_s = min(self._rules.timeout_s, timeout_s or self._rules.timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                async with self._turns:
                    fetched = await self._http.fetch(url, max_bytes=self._rules.max_bytes, timeout_s=limit_s)
        except UrlRefused as refused:
            raise self._refusal("image_url_refused", str(refused)) from None
        except CallFailed as failed:
            raise self._refusal("image_url_failed", str(failed)) from None
        except TimeoutError:
            raise self._refusal("image_url_failed", f"the URL did not answer within {limit_s:g} s") from None
        except AnswerTooLarge as large:
            raise self._refusal("image_url_too_large", str(large)) from None
        self._observe(None)
        return fetched

    async def fetch_all(self, urls: Mapping[int, str]) -> list[Fetched]:
        """Return the images of a batch. Raises as `fetch` does, also if together they are too large or too many."""
        if len(urls) > MOST_IN_BATCH:
            raise RequestError("malformed_request", f"a batch names at most {MOST_IN_BATCH} images by URL", field=FIELD)
        fetched: list[Fetched] = []
        kept_bytes = 0

        async def fetch(number: int, url: str) -> Fetched:
            nonlocal kept_bytes
            try:
                image = await self.fetch(url, None)
            except RequestError as refused:
                raise refused.of_image(number) from None
            kept_bytes += len(image.data)
            if kept_bytes > self._rules.max_batch_bytes:  # nothing of the rest is waited for
                said = f"the images of the batch have more than {self._rules.max_batch_bytes} bytes together"
                raise self._refusal("image_url_too_large", said)
            return image

        wanted = list(urls.items())
        for start in range(0, len(wanted), BATCH_AT_ONCE):
            fetched += await _together([fetch(*one) for one in wanted[start : start + BATCH_AT_ONCE]])
        return fetched

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    def _refusal(self, code: str, message: str) -> RequestError:
        self._observe(code)
        return RequestError(code, message, field=FIELD)


async def _together(fetches: Sequence[Coroutine[Any, Any, Fetched]]) -> list[Fetched]:
    """Return what each gives; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(fetch) for fetch in fetches]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
