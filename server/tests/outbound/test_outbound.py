"""Calls to URLs that somebody else chose, over real sockets on loopback. Names are resolved as each test says."""

import asyncio
import datetime
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.http_receiver import Received, Receiver, answer, receiver, redirect

from app.outbound.addresses import Address, AddressRules
from app.outbound.client import Fetched, OutboundHttp
from app.outbound.errors import AnswerTooLarge, CallFailed, OutboundError, UrlRefused
from app.outbound.targets import Resolve, TargetRules, resolve_by_system

LOOPBACK = AddressRules([ip_network("127.0.0.0/8")])
LONG_S = 60.0


def _http(
    *servers: Receiver,
    addresses: AddressRules = LOOPBACK,
    resolve: Resolve = resolve_by_system,
    tls: ssl.SSLContext | None = None,
) -> OutboundHttp:
    ports = frozenset(server.port for server in servers) | {80, 443}
    return OutboundHttp(TargetRules(addresses, ports, resolve), tls)


async def _fetch(http: OutboundHttp, url: str, max_bytes: int = 10_000, timeout_s: float = LONG_S) -> Fetched:
    try:
        return await http.fetch(url, max_bytes=max_bytes, timeout_s=timeout_s)
    finally:
        await http.close()


def _names(**hosts: str) -> Resolve:
    async def resolve(host: str, _: int) -> Sequence[Address]:
        return [ip_address(address) for address in hosts.get(host.replace(".", "_"), host).split()]

    return resolve


async def test_a_body_comes_with_its_type_and_the_request_gives_nothing_away() -> None:
    async with receiver(lambda _: answer(b"image", content_type="image/png", set_cookie="a=b")) as server:
        http = _http(server)
        for _ in range(2):
            fetched = await http.fetch(server.url() + "#fragment", max_bytes=5, timeout_s=LONG_S)
            assert fetched == Fetched(b"image", "image/png")
        await http.close()
        assert {request.line for request in server.received} == {"GET /image HTTP/1.1"}
        assert {frozenset(request.headers) for request in server.received} == {
            frozenset({"host", "accept", "accept-encoding", "user-agent", "connection"})
        }
        assert server.connections == 2  # none is used twice


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with receiver(lambda _: answer(b"image")) as server:
        assert (await _fetch(_http(server), server.url())).data == b"image"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "only http"),
        ("image.png", "only http"),
        ("file:///etc/passwd", "only http"),
        ("ftp://example.com/a", "only http"),
        ("gopher://example.com/", "only http"),
        ("data:image/png;base64,AAAA", "only http"),
        ("//example.com/", "only http"),
        ("http:///path", "no host"),
        ("http://user@example.com/", "password"),
        ("http://:secret@example.com/", "password"),
        ("http://example.com:22/", "port"),
        ("http://example.com:0/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:6379/", "port"),
        ("http://example.com:99999/", "port"),
        ("http://exa mple.com/", "is none"),
        ("http://example.com/\r\nHost: inside", "is none"),
        ("http://example.com\x00.inside/", "is none"),
        ("http://[::1/", "is none"),
        ("http://0177.0.0.1/", "is none"),
        ("http://" + "a" * 300 + ".com/", "is none"),
        ("http://example.com/" + "a" * 9000, "longer"),
    ],
)
async def test_a_url_of_another_form_is_refused_before_anything_is_looked_up(url: str, why: str) -> None:
    with pytest.raises(UrlRefused, match=why):
        await _fetch(_http(resolve=_names()), url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "169.254.169.254",
        "①②⑦.⓪.⓪.①",
    ],
)
async def test_this_machine_is_not_reached_however_it_is_written(host: str) -> None:
    async with receiver(lambda _: answer(b"secret")) as server:
        with pytest.raises(UrlRefused) as refused:
            await _fetch(_http(server, addresses=AddressRules()), f"http://{host}:{server.port}/")
        assert server.connections == 0
        assert "127.0.0.1" not in str(refused.value)


async def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_judged() -> None:
    """The second answer of a rebinding name server is never asked for."""
    asked: list[str] = []

    async def rebinding(host: str, _: int) -> Sequence[Address]:
        asked.append(host)
        return [ip_address("127.0.0.2" if len(asked) == 1 else "127.0.0.1")]

    async with receiver(lambda _: answer(b"outside"), host="127.0.0.2") as outside:
        only_outside = AddressRules([ip_network("127.0.0.2/32")])
        http = _http(outside, addresses=only_outside, resolve=rebinding)
        assert (await http.fetch(outside.url(host="evil.example"), max_bytes=100, timeout_s=LONG_S)).data == b"outside"
        assert asked == ["evil.example"]
        assert outside.received[0].headers["host"] == f"evil.example:{outside.port}"
        with pytest.raises(UrlRefused):
            await _fetch(http, outside.url(host="evil.example"))


async def test_of_several_addresses_those_that_may_be_called_are_tried_in_turn() -> None:
    async with receiver(lambda _: answer(b"third")) as server:
        resolve = _names(mixed_example="10.0.0.1 127.0.0.9 127.0.0.1")
        assert (await _fetch(_http(server, resolve=resolve), server.url(host="mixed.example"))).data == b"third"


async def test_whether_an_internal_name_exists_is_not_told() -> None:
    inside = _http(resolve=_names(inside_corp="10.0.0.1"))
    nowhere = _http(resolve=resolve_by_system)
    said = set()
    for http, host in ((inside, "inside.corp"), (nowhere, "nowhere.invalid")):
        with pytest.raises(OutboundError) as refused:
            await _fetch(http, f"http://{host}/")
        if isinstance(refused.value, UrlRefused):  # where no resolver can be asked at all, there is nothing to compare
            said.add(str(refused.value))
    assert len(said) == 1


async def test_redirects_are_followed_and_each_is_judged_as_the_first() -> None:
    def says(request: Received) -> bytes:
        return answer(b"image") if request.path == "/there/c" else redirect("/there/c" if "b" in request.path else "b")

    async with receiver(says) as server:
        assert (await _fetch(_http(server), server.url("/a"))).data == b"image"
        assert [request.path for request in server.received] == ["/a", "/b", "/there/c"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.3:PORT/",
        "http://10.0.0.1/",
        "http://[::1]:PORT/",
        "http://169.254.169.254/latest/meta-data",
        "http://user:password@127.0.0.1:PORT/",
        "http://127.0.0.1:22/",
        "file:///etc/passwd",
        "//10.0.0.1/",
        "http://[",
        "",
    ],
)
async def test_a_redirect_to_what_may_not_be_called_is_refused(location: str) -> None:
    only = AddressRules([ip_network("127.0.0.1/32")])
    async with receiver(lambda _: redirect(location.replace("PORT", str(server.port)))) as server:
        with pytest.raises(UrlRefused):
            await _fetch(_http(server, addresses=only), server.url())


async def test_endless_redirects_end() -> None:
    async with receiver(lambda request: redirect(request.path + "x")) as server:
        with pytest.raises(UrlRefused, match="more than 5"):
            await _fetch(_http(server), server.url())
        assert len(server.received) == 6


@pytest.mark.parametrize("status", [204, 206, 300, 304, 401, 404, 500, 503])
async def test_another_status_is_told_without_a_byte_of_the_answer(status: int) -> None:
    async with receiver(lambda _: answer(b"internal secret", status)) as server:
        with pytest.raises(CallFailed) as failed:
            await _fetch(_http(server), server.url())
        assert failed.value.status == status
        assert "secret" not in str(failed.value)


async def _endless(head: bytes, part: bytes, sent: list[int]) -> AsyncIterator[bytes]:
    yield head
    while True:
        sent.append(len(part))
        yield part


@pytest.mark.parametrize("length", ["", "99999999"])
async def test_an_endless_body_is_cut_off(length: str) -> None:
    sent: list[int] = []
    head = answer(content_length=length)
    async with receiver(lambda _: _endless(head, b"x" * 1000, sent)) as server:
        with pytest.raises(AnswerTooLarge, match="more than 10000 bytes"):
            await _fetch(_http(server), server.url())
    assert sum(sent) < 20_000_000  # what the sockets' buffers took


async def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    async with receiver(lambda _: answer(b"x" * 10_000, content_length="")) as server:
        assert len((await _fetch(_http(server), server.url())).data) == 10_000
        with pytest.raises(AnswerTooLarge):
            await _fetch(_http(server), server.url(), max_bytes=9_999)


async def test_a_gzip_bomb_is_counted_as_it_is_decoded() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 300_000
    async with receiver(lambda _: answer(bomb, content_encoding="gzip")) as server:
        with pytest.raises(AnswerTooLarge):
            await _fetch(_http(server), server.url(), max_bytes=1_000_000)


async def test_gzip_that_was_not_asked_for_is_decoded_and_what_is_broken_is_told() -> None:
    zipped = gzip.compress(b"image" * 100)
    bodies = {"/whole": zipped, "/cut": zipped[:-4], "/none": b"no gzip"}
    async with receiver(lambda request: answer(bodies[request.path], content_encoding="gzip")) as server:
        assert (await _fetch(_http(server), server.url("/whole"))).data == b"image" * 100
        for path in ("/cut", "/none"):
            with pytest.raises(CallFailed, match="broken"):
                await _fetch(_http(server), server.url(path))
    async with receiver(lambda _: answer(b"image", content_encoding="br, gzip")) as server:
        with pytest.raises(CallFailed, match="encoding"):
            await _fetch(_http(server), server.url())


async def test_what_follows_on_the_end_of_gzip_is_not_read() -> None:
    sent: list[int] = []
    head = answer(gzip.compress(b"image"), content_length="", content_encoding="gzip")
    async with receiver(lambda _: _endless(head, b"x" * 1000, sent)) as server:
        assert (await _fetch(_http(server), server.url())).data == b"image"


async def _slowly(head: bytes, part: bytes) -> AsyncIterator[bytes]:
    yield head
    while True:
        await asyncio.sleep(0.05)
        yield part


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (answer(content_length="9999"), b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"", b""),
    ],
)
async def test_who_answers_byte_by_byte_is_left_after_the_time_in_all(head: bytes, part: bytes) -> None:
    async with receiver(lambda _: _slowly(head, part)) as server:
        with pytest.raises(CallFailed, match=r"within 0\.5 s"):
            await _fetch(_http(server), server.url(), timeout_s=0.5)


async def test_a_resolver_that_hangs_is_left_too() -> None:
    async def hanging(host: str, port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(CallFailed, match=r"within 0\.2 s"):
        await _fetch(_http(resolve=hanging), "http://example.com/", timeout_s=0.2)


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", b"HTTP/1.1 200 OK\r\n"],
)
async def test_what_is_no_whole_answer_is_a_failure_that_quotes_nothing(said: bytes) -> None:
    async with receiver(lambda _: said) as server:
        with pytest.raises(CallFailed) as failed:
            await _fetch(_http(server), server.url())
        assert str(failed.value) == "the URL could not be reached, or its answer is broken"


async def test_who_does_not_listen_is_told_in_the_same_words() -> None:
    with socket.socket() as taken:  # by one who does not listen: a port that is free may be anybody's by then
        taken.bind(("127.0.0.1", 0))
        nobody = Receiver(taken.getsockname()[1])
        with pytest.raises(CallFailed) as failed:
            await _fetch(_http(nobody), nobody.url())
    assert str(failed.value) == "the URL could not be reached, or its answer is broken"


async def test_a_head_without_end_is_cut_off() -> None:
    async with receiver(lambda _: _endless(b"HTTP/1.1 200 OK\r\n", b"X-Long: " + b"x" * 1000 + b"\r\n", [])) as server:
        with pytest.raises(CallFailed):
            await _fetch(_http(server), server.url())


def _certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's context with a certificate for ``host``, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = folder / "certificate.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key_file)
    return server, ssl.create_default_context(cafile=str(certificate))


async def test_tls_asks_for_and_verifies_the_name_and_not_the_address(tmp_path: Path) -> None:
    server_tls, client_tls = _certificate(tmp_path, "images.example")
    asked: list[str | None] = []
    server_tls.sni_callback = lambda _, name, __: asked.append(name)  # type: ignore[assignment]
    resolve = _names(images_example="127.0.0.1", other_example="127.0.0.1")
    async with receiver(lambda _: answer(b"image"), server_tls) as server:
        url = server.url(host="images.example", scheme="https")
        assert (await _fetch(_http(server, resolve=resolve, tls=client_tls), url)).data == b"image"
        assert asked == ["images.example"]
        for wrong in (server.url(host="other.example", scheme="https"), server.url(scheme="https")):
            with pytest.raises(CallFailed, match="certificate"):
                await _fetch(_http(server, resolve=resolve, tls=client_tls), wrong)
        with pytest.raises(CallFailed, match="certificate"):  # an authority that nobody knows
            await _fetch(_http(server, resolve=resolve), url)
        assert len(server.received) == 1


async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server_tls, client_tls = _certificate(tmp_path, "images.example")
    resolve = _names(images_example="127.0.0.1")
    async with receiver(lambda _: redirect("http://images.example/"), server_tls) as server:
        with pytest.raises(UrlRefused, match="https to http"):
            await _fetch(
                _http(server, resolve=resolve, tls=client_tls), server.url(host="images.example", scheme="https")
            )


async def test_a_post_sends_its_body_once_and_follows_nothing() -> None:
    async with receiver(lambda _: redirect("http://127.0.0.1/")) as server:
        http = _http(server)
        assert await http.post(server.url("/hook"), b"{}", {"X-A": "b"}, timeout_s=LONG_S) == 302
        assert [(request.line, request.body) for request in server.received] == [("POST /hook HTTP/1.1", b"{}")]
        assert server.received[0].headers["x-a"] == "b"
        with pytest.raises(UrlRefused):
            await http.post("http://10.0.0.1/", b"{}", {}, timeout_s=LONG_S)
        await http.close()


async def test_a_check_judges_without_calling() -> None:
    async with receiver(lambda _: answer()) as server:
        http = _http(server)
        await http.check(server.url(), timeout_s=LONG_S)
        with pytest.raises(UrlRefused):
            await http.check("http://10.0.0.1/", timeout_s=LONG_S)
        assert server.connections == 0
        await http.close()
