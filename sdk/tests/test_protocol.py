"""Frames over a real socket pair."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightgate.protocol import (
    MAX_HEADER_BYTES,
    PREFIX,
    VERSION,
    Channel,
    ProtocolError,
    check_lengths,
    decode_header,
    encode_frame_head,
)

LIMIT = 64 * 1024

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
headers = st.dictionaries(st.text().filter(lambda key: key not in ("v", "kind")), json_values, max_size=5)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    theirs.settimeout(60)
    with ours, theirs:
        yield ours, theirs


Ends = tuple[socket.socket, socket.socket]


def receive(channel: Channel) -> tuple[dict[str, Any], bytes]:
    received = channel.receive_head()
    assert received is not None
    header, body_length = received
    return header, channel.read(body_length)


@given(header=headers, kind=st.text(), body=st.binary(max_size=2_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_a_frame_comes_back_as_it_was_sent(ends: Ends, header: dict[str, Any], kind: str, body: bytes) -> None:
    Channel(ends[0], LIMIT).send({**header, "kind": kind}, body)
    assert receive(Channel(ends[1], LIMIT)) == ({**header, "kind": kind, "v": VERSION}, body)


def test_each_pause_is_told_once_and_no_frame_is_lost_to_it(ends: Ends) -> None:
    for end in ends:
        end.setblocking(True)  # as a worker's is
    ours, theirs = ends
    frame = encode_frame_head({"kind": "call"}, 3) + b"abc"
    told = threading.Semaphore(0)
    received: list[object] = []
    channel = Channel(theirs, LIMIT)
    channel.call_when_idle(1, told.release)

    def take() -> None:
        received.append(receive(channel))
        received.append(receive(channel))

    reader = threading.Thread(target=take)
    reader.start()
    for part in (frame[:3], frame[3:20], frame[20:] + frame[:-1], frame[-1:]):
        assert told.acquire(timeout=60)
        assert not told.acquire(timeout=1.5), "one pause was told twice"
        ours.sendall(part)
    reader.join(60)
    assert received == [({"kind": "call", "v": VERSION}, b"abc")] * 2


def test_a_body_larger_than_the_sockets_buffer_arrives_whole(ends: Ends) -> None:
    body = bytes(range(256)) * 40_000
    sender = threading.Thread(target=Channel(ends[0], LIMIT).send, args=({"kind": "call"}, body))
    sender.start()
    header, received = receive(Channel(ends[1], len(body)))
    sender.join()
    assert header["kind"] == "call"
    assert received == body


def test_frames_of_several_threads_do_not_mix(ends: Ends) -> None:
    channel = Channel(ends[0], LIMIT)

    def send_all(number: int) -> None:
        for _ in range(100):
            channel.send({"kind": "progress", "thread": number}, bytes([number]) * 5_000)

    threads = [threading.Thread(target=send_all, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    receiver = Channel(ends[1], LIMIT)
    seen = [receive(receiver) for _ in range(400)]
    for thread in threads:
        thread.join()
    assert all(body == bytes([header["thread"]]) * 5_000 for header, body in seen)
    assert sorted(header["thread"] for header, _ in seen) == sorted([0, 1, 2, 3] * 100)


def test_a_frame_that_comes_in_single_bytes_is_put_together(ends: Ends) -> None:
    frame = encode_frame_head({"kind": "result"}, 3) + b"abc"

    def drip() -> None:
        for byte in frame:
            ends[0].sendall(bytes([byte]))

    sender = threading.Thread(target=drip)
    sender.start()
    assert receive(Channel(ends[1], LIMIT)) == ({"kind": "result", "v": VERSION}, b"abc")
    sender.join()


def test_an_end_between_frames_is_the_end(ends: Ends) -> None:
    Channel(ends[0], LIMIT).send({"kind": "stop"})
    ends[0].close()
    channel = Channel(ends[1], LIMIT)
    assert receive(channel) == ({"kind": "stop", "v": VERSION}, b"")
    assert channel.receive_head() is None


@pytest.mark.parametrize("kept", [1, 3, 7, 8, 9, 20])
def test_half_a_frame_is_refused(ends: Ends, kept: int) -> None:
    ends[0].sendall(encode_frame_head({"kind": "result"}, 10)[:kept])
    ends[0].close()
    with pytest.raises(ProtocolError):
        Channel(ends[1], LIMIT).receive_head()


def test_half_a_body_is_refused(ends: Ends) -> None:
    ends[0].sendall(encode_frame_head({"kind": "result"}, 10) + b"12345")
    ends[0].close()
    channel = Channel(ends[1], LIMIT)
    received = channel.receive_head()
    assert received is not None
    with pytest.raises(ProtocolError, match="within a frame"):
        channel.read(received[1])


@pytest.mark.parametrize(
    ("header_length", "body_length"),
    [(0, 0), (1, 0), (MAX_HEADER_BYTES + 1, 0), (2**32 - 1, 0), (20, LIMIT + 1), (20, 2**32 - 1)],
)
def test_impossible_lengths_are_refused_before_anything_after_them_is_read(
    ends: Ends, header_length: int, body_length: int
) -> None:
    # Nothing follows the prefix and the other end stays open: to read on would be to wait, to allocate 4 GiB to fail.
    ends[0].sendall(PREFIX.pack(header_length, body_length))
    with pytest.raises(ProtocolError, match="bytes"):
        Channel(ends[1], LIMIT).receive_head()


def test_the_limits_themselves_are_allowed() -> None:
    check_lengths(2, 0, 0)
    check_lengths(MAX_HEADER_BYTES, LIMIT, LIMIT)


def test_a_header_above_its_limit_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="longer"):
        encode_frame_head({"kind": "progress", "message": "x" * MAX_HEADER_BYTES}, 0)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"12",
        b"\xff\xfe",
        b"{}",
        b'{"v": 1}',
        b'{"v": 2, "kind": "call"}',
        b'{"kind": "call"}',
        b'{"v": 1, "kind": 7}',
        b"[" * 60_000,
    ],
)
def test_what_is_no_header_is_refused(encoded: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_header(encoded)


@given(st.binary(max_size=300) | json_values.map(lambda value: repr(value).encode(errors="replace")))
def test_arbitrary_bytes_are_a_header_or_refused_and_nothing_else(encoded: bytes) -> None:
    try:
        header = decode_header(encoded)
    except ProtocolError:
        return
    assert header["v"] == VERSION
    assert isinstance(header["kind"], str)
