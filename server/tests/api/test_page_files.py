"""How the built page is served: its one document with a nonce of its own, and files that are kept for good."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from support.errors import assert_error

from app.api import errors
from app.api.page_files import PageFiles, is_page_path
from app.api.routes.page import page_routes
from app.main import create_app
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings

DOCUMENT = '<!doctype html><meta property="csp-nonce" nonce="SIGHTGATE_NONCE"><script src="/assets/a-1.js"></script>'
SCRIPT = "console.log('ä')".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(DOCUMENT)
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "a-1.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "a-1.js.br").write_bytes(b"brotli")
    (tmp_path / "assets" / "a-1.js.gz").write_bytes(b"gzip")
    (tmp_path / "assets" / "small-2.css").write_text("a{}")
    (tmp_path / "assets" / "secret.py").write_text("")
    return tmp_path


@pytest.fixture
async def page(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=page_routes(PageFiles(folder)), exception_handlers={404: errors.on_http_exception})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        client.headers["accept-encoding"] = "identity"
        yield client


@pytest.mark.parametrize("path", ["/", "/analyze", "/jobs", "/jobs/01a1", "/batches/01a1", "/plugins/ocr", "/status"])
async def test_every_view_is_the_one_document(page: httpx.AsyncClient, path: str) -> None:
    answer = await page.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "SIGHTGATE_NONCE" not in answer.text


async def test_each_answer_has_a_nonce_of_its_own_and_names_it_in_its_policy(page: httpx.AsyncClient) -> None:
    nonces = set()
    for _ in range(5):
        answer = await page.get("/")
        found = re.search(r'nonce="([\w-]{20,})"', answer.text)
        assert found is not None
        assert f"style-src 'self' 'nonce-{found[1]}';" in answer.headers["content-security-policy"]
        nonces.add(found[1])
    assert len(nonces) == 5


async def test_the_policy_lets_nothing_in_from_elsewhere(page: httpx.AsyncClient) -> None:
    answer = await page.get("/")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["permissions-policy"].startswith("camera=(self), microphone=()")


async def test_an_asset_is_kept_for_good_and_the_icon_is_asked_for_again(page: httpx.AsyncClient) -> None:
    asset, icon = await page.get("/assets/a-1.js"), await page.get("/favicon.svg")
    assert asset.content == SCRIPT
    assert asset.headers["content-type"] == "text/javascript; charset=utf-8"
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert icon.headers["content-type"] == "image/svg+xml"
    assert icon.headers["cache-control"] == "no-cache"
    again = await page.get("/favicon.svg", headers={"if-none-match": icon.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"brotli"),
        ("gzip;q=1.0, br;q=0", "gzip", b"gzip"),
        ("BR", "br", b"brotli"),
        ("br ; q=0.000, gzip;q=0.5", "gzip", b"gzip"),
        ("identity", None, SCRIPT),
        ("", None, SCRIPT),
    ],
)
async def test_what_the_build_compressed_is_sent_to_who_takes_it(
    page: httpx.AsyncClient, accepted: str, encoding: str | None, body: bytes
) -> None:
    request = page.build_request("GET", "/assets/a-1.js", headers={"accept-encoding": accepted})
    answer = await page.send(request, stream=True)
    assert b"".join([part async for part in answer.aiter_raw()]) == body
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_file_that_was_not_compressed_goes_as_it_is(page: httpx.AsyncClient) -> None:
    answer = await page.get("/assets/small-2.css", headers={"accept-encoding": "br, gzip"})
    assert answer.text == "a{}"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/assets/", "/assets/nothing.js", "/assets/secret.py", "/assets/../index.html", "/assets/%2e%2e/index.html"],
)
async def test_what_was_not_built_is_not_there(page: httpx.AsyncClient, path: str) -> None:
    assert_error(await page.get(path), 404, "not_found")


async def test_without_a_built_page_the_address_says_how_to_build_it_and_finds_it_once_it_is_there(
    tmp_path: Path,
) -> None:
    app = Starlette(routes=page_routes(PageFiles(tmp_path / "later")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        missing = await client.get("/")
        assert missing.status_code == 404
        assert "make page" in missing.text
        assert "Node.js" in missing.text
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "index.html").write_text(DOCUMENT)
        assert (await client.get("/")).status_code == 200


def test_no_route_of_the_api_is_the_pages(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), PluginRegistry())
    paths = list(app.openapi()["paths"])
    assert len(paths) > 10
    assert [path for path in (*paths, "/openapi.json", "/health") if is_page_path(path)] == []
