"""An image of 50 megapixels, uploaded and analyzed, does not keep others waiting."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from support.running_server import RunningServer, make_home, running

WIDTH, HEIGHT = 8_000, 6_250
SOME = 10


@pytest.fixture(scope="module")
def decoding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(make_home(tmp_path_factory.mktemp("decoding"), "decoding", "answering")) as started:
        yield started


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_small_calls_of_other_plugins_are_answered_meanwhile(decoding: RunningServer, kind: str):
    out = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), 90).save(out, kind)  # as BMP it is just below the largest body
    small = decoding.result("echo")["calls"]
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(decoding.result, "decoding", {}, out.getvalue())
        answered = 0
        while not large.done():
            assert decoding.result("echo")["calls"] == small + answered + 1
            answered += 1
        assert (large.result()["width"], large.result()["height"]) == (WIDTH, HEIGHT)
    assert answered >= SOME


def test_what_carried_such_an_image_does_not_stay_in_the_server(decoding: RunningServer):
    out = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), 90).save(out, "BMP")
    assert decoding.result("decoding", {}, out.getvalue())["width"] == WIDTH
    status = Path(f"/proc/{decoding.process.pid}/status").read_text().splitlines()
    (shared,) = (int(line.split()[1]) for line in status if line.startswith("RssShmem:"))
    assert shared <= 16 * 1024  # KiB: two workers
