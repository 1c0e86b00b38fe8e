"""The page: its one document under the address of each of its views, and the files that it loads."""

import secrets

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.api.errors import refuse
from app.api.page_files import ICON, INDEX, VIEWS, BuiltFile, PageFiles
from app.governance.errors import RequestError

# Stands in the built document wherever the response's own nonce belongs.
NONCE = "SIGHTGATE_NONCE"

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "worker-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}
# An asset's name holds a hash of its content.
_FOREVER, _ASK_AGAIN, _NEVER = "public, max-age=31536000, immutable", "no-cache", "no-store"

_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sightgate: the page is not built</title></head>
<body>
<h1>Sightgate runs, but its page is not built</h1>
<p>The API is there: <a href="/openapi.json">/openapi.json</a>, <a href="/health/ready">/health/ready</a>.</p>
<p>This copy of the server was set up without the page's files, because Node.js was missing. In the source folder, with
Node.js 20.19 or newer and npm installed, build them and load this address again:</p>
<pre>make page</pre>
<p>The published package holds them already and needs no Node.js.</p>
</body></html>
"""


def page_routes(files: PageFiles | None = None) -> list[Route]:
    """Return the page's routes. They stand behind the API's and in no API document."""
    held = files or PageFiles()

    async def document(request: Request) -> Response:
        index = await held.find(INDEX)
        nonce = secrets.token_urlsafe(18)
        if index is None:
            return HTMLResponse(_NOT_BUILT, 404, _headers(_NEVER, nonce))
        return HTMLResponse(index.body.replace(NONCE.encode(), nonce.encode()), headers=_headers(_NEVER, nonce))

    async def asset(request: Request) -> Response:
        return _send(request, await held.find(f"assets/{request.path_params['name']}"), _FOREVER)

    async def icon(request: Request) -> Response:
        return _send(request, await held.find(ICON[1:]), _ASK_AGAIN)

    views = [Route(f"/{view}{rest}", document) for view in VIEWS for rest in ("", "/{below}")]
    return [Route("/", document), *views, Route(ICON, icon), Route("/assets/{name:path}", asset)]


def _send(request: Request, file: BuiltFile | None, caching: str) -> Response:
    if file is None:
        return refuse(RequestError("not_found"))
    encoding, body = file.best_for(request.headers.get("accept-encoding", ""))
    headers = _headers(caching) | {"ETag": file.tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return Response(body, headers=headers, media_type=file.media_type)


def _headers(caching: str, nonce: str | None = None) -> dict[str, str]:
    """Return the headers of every answer; a file that is no document lets nothing be loaded from within."""
    policy = _POLICY.format(nonce=nonce) if nonce is not None else "default-src 'none'; frame-ancestors 'none'"
    return {**_HEADERS, "Cache-Control": caching, "Content-Security-Policy": policy}
