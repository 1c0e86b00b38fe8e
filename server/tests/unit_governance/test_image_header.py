"""The header readers against Pillow's own reading, cut files, hostile files and arbitrary bytes."""

import io
import struct
import zlib
from itertools import product

import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.governance.image_header import HeaderError, ImageHeader, read_header
from app.governance.tiff_header import MAX_ENTRIES, MAX_PAGES

MIME_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "BMP": "image/bmp"}
MIME_TYPES |= {"GIF": "image/gif", "TIFF": "image/tiff"}
MODES = {
    "JPEG": ["RGB", "L", "CMYK"],
    "PNG": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["RGB", "L", "P", "1"],
    "GIF": ["RGB", "L", "P"],
    "TIFF": ["RGB", "RGBA", "L", "1", "CMYK", "I;16", "F"],
}
SIZES = [(1, 1), (3, 2), (257, 130), (640, 5)]
VARIANTS: list[tuple[str, dict[str, object]]] = [
    ("JPEG", {"progressive": True}),
    ("JPEG", {"comment": b"\xff\xc0\xff\xda" * 100}),
    ("JPEG", {"icc_profile": bytes(200_000)}),
    ("PNG", {"dpi": (300, 300), "icc_profile": b"profile"}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"icc_profile": b"profile"}),
    ("WEBP", {"lossless": True, "icc_profile": b"profile"}),
    ("GIF", {"comment": b"x" * 3_000, "loop": 0}),
    ("GIF", {"save_all": True, "append_images": [Image.new("RGB", (200, 100))], "loop": 0}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_jpeg"}),
    ("TIFF", {"big_tiff": False, "dpi": (72, 72)}),
]


def photo(size: tuple[int, int] = (200, 100), mode: str = "RGB") -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()).resize(size).convert("L" if mode == "I;16" else mode).convert(mode)


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, file_format, **options)
    return target.getvalue()


def reason_of(data: bytes) -> str:
    with pytest.raises(HeaderError) as refused:
        read_header(data)
    return refused.value.reason


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_frame(width: int, height: int, marker: int = 0xC0) -> bytes:
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def tiff_page(
    width: int, height: int, following: int, order: str = "<", more: tuple[tuple[int, int], ...] = ()
) -> bytes:
    entries = [(256, width), (257, height), *more]
    packed = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    return struct.pack(f"{order}H", len(entries)) + packed + struct.pack(f"{order}I", following)


@pytest.mark.parametrize(
    ("file_format", "mode", "size"),
    [(file_format, mode, size) for file_format, modes in MODES.items() for mode, size in product(modes, SIZES)],
)
def test_the_size_agrees_with_pillow(file_format: str, mode: str, size: tuple[int, int]) -> None:
    assert read_header(saved(photo(size, mode), file_format)) == ImageHeader(MIME_TYPES[file_format], *size)


@pytest.mark.parametrize(("file_format", "options"), VARIANTS)
def test_unusual_ways_of_saving_are_read(file_format: str, options: dict[str, object]) -> None:
    assert read_header(saved(photo(), file_format, **options)) == ImageHeader(MIME_TYPES[file_format], 200, 100)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_the_exif_block(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[271], exif[272], exif[274] = "A maker", "A camera whose name is long", orientation
    header = read_header(saved(photo(), file_format, exif=exif))
    assert header == ImageHeader(MIME_TYPES[file_format], 200, 100, orientation)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("value", "told"), [(6, 6), (0, 1), (9, 1), (65535, 1)])
def test_an_exif_block_of_either_byte_order_is_read(order: str, value: int, told: int) -> None:
    directory = struct.pack(f"{order}HHHIHHI", 1, 274, 3, 1, value, 0, 0)
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + directory
    data = b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + tiff) + jpeg_frame(4, 3) + SCAN
    assert read_header(data) == ImageHeader("image/jpeg", 4, 3, told)


@pytest.mark.parametrize("block", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"XX*\0" * 9])
def test_a_broken_exif_block_is_no_orientation(block: bytes) -> None:
    data = b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + block) + jpeg_frame(4, 3) + SCAN
    assert read_header(data) == ImageHeader("image/jpeg", 4, 3, 1)


@pytest.mark.parametrize("data", [b"", b"B", b"\xff\xd8", b"RIFF\x10\0\0\0WAVEfmt ", b"%PDF-1.7", b"GIF90a", b"II\0*"])
def test_what_begins_as_no_known_image_is_none(data: bytes) -> None:
    assert read_header(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + jpeg_frame(0, 9) + SCAN,
        b"\xff\xd8" + jpeg_frame(9, 0) + SCAN,
        PNG_MAGIC + ihdr(0, 9) + chunk(b"IDAT", b""),
        b"BM" + bytes(12) + struct.pack("<III", 40, 0, 9) + bytes(28),
        b"GIF89a" + bytes(7) + b",\0\0\0\0\0\0\0\0\0",
        b"II*\0\x08\0\0\0" + tiff_page(0, 9, 0),
    ],
)
def test_a_size_of_zero_is_refused(data: bytes) -> None:
    assert reason_of(data) == "its width or height is zero"


def test_a_header_error_tells_the_type_that_the_magic_shows() -> None:
    with pytest.raises(HeaderError) as refused:
        read_header(PNG_MAGIC + b"no chunk")
    assert refused.value.mime_type == "image/png"
    assert "image/png" in str(refused.value)


def test_the_size_of_a_bomb_is_told_without_decoding_it() -> None:
    bomb = PNG_MAGIC + ihdr(60_000, 60_000) + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
    assert read_header(bomb) == ImageHeader("image/png", 60_000, 60_000)
    assert read_header(b"\xff\xd8" + jpeg_frame(65_535, 65_535) + SCAN) == ImageHeader("image/jpeg", 65_535, 65_535)


def test_a_jpeg_is_found_behind_padding_standalone_markers_and_junk() -> None:
    data = b"\xff\xd8" + b"\xff" * 9 + b"\xff\xd0\xff\x01\x00\x12\xff\x00" + jpeg_frame(7, 5, 0xC2) + b"\xff" + SCAN
    assert read_header(data) == ImageHeader("image/jpeg", 7, 5)


@pytest.mark.parametrize(
    "hidden",
    [
        jpeg_frame(9, 9) + jpeg_frame(60_000, 60_000),
        segment(0xF0, jpeg_frame(60_000, 60_000) + SCAN) + jpeg_frame(9, 9),
        segment(0xDE, struct.pack(">BHHB", 8, 60_000, 60_000, 1) + b"\x01\x11\x00") + jpeg_frame(9, 9),
        b"\xff\xd8" + jpeg_frame(9, 9),
        b"\xff\xd9" + jpeg_frame(9, 9),
    ],
)
def test_a_jpeg_that_decoders_may_read_differently_is_refused(hidden: bytes) -> None:
    assert "stands where it must not" in reason_of(b"\xff\xd8" + hidden + SCAN)


def test_a_jpeg_of_endless_segments_or_junk_is_refused() -> None:
    assert "more than" in reason_of(b"\xff\xd8" + segment(0xE5, b"") * 5_000 + jpeg_frame(9, 9) + SCAN)
    assert "more than" in reason_of(b"\xff\xd8" + b"\xff\xd3" * 5_000 + jpeg_frame(9, 9) + SCAN)
    assert reason_of(b"\xff\xd8\xff" + b"\xff\x00" * 500_000) == "a marker is missing"
    assert reason_of(b"\xff\xd8" + b"\xff" * 1_000_000) == "a marker is missing"
    assert reason_of(b"\xff\xd8" + segment(0xE5, b"")[:2] + b"\0\x01" + jpeg_frame(9, 9)).endswith("impossible length")


def test_a_png_with_a_second_header_or_without_pixels_is_refused() -> None:
    assert "IHDR" in reason_of(PNG_MAGIC + ihdr(9, 9) + ihdr(60_000, 60_000) + chunk(b"IDAT", b""))
    assert "IEND" in reason_of(PNG_MAGIC + ihdr(9, 9) + chunk(b"IEND", b""))
    assert "more than" in reason_of(PNG_MAGIC + ihdr(9, 9) + chunk(b"tEXt", b"") * 5_000 + chunk(b"IDAT", b""))
    assert "IHDR" in reason_of(PNG_MAGIC + chunk(b"CgBI", bytes(4)) + ihdr(9, 9))


def test_a_gif_is_as_large_as_its_screen_or_its_first_frame() -> None:
    frame = b"," + struct.pack("<HHHH", 1_000, 0, 60_000, 8) + b"\0"
    assert read_header(b"GIF89a" + struct.pack("<HH", 9, 9) + bytes(3) + frame) == ImageHeader("image/gif", 61_000, 9)


@pytest.mark.parametrize("extension", [b"!\xf9\0", b"!\xff\x0bNETSCAPE2.0\0", b"!\x01\0"])
def test_a_gif_whose_empty_extension_hides_a_frame_from_some_readers_is_refused(extension: bytes) -> None:
    small = b"," + struct.pack("<HHHH", 0, 0, 9, 9) + b"\0"
    assert reason_of(b"GIF89a" + struct.pack("<HH", 9, 9) + bytes(3) + extension + small) == "an extension is empty"


def test_a_gif_of_endless_blocks_is_refused() -> None:
    start = b"GIF89a" + struct.pack("<HH", 9, 9) + bytes(3)
    assert "more than" in reason_of(start + b"\0" * 100_000)
    assert "more than" in reason_of(start + b"!\xfe" + b"\x01x" * 100_000)
    assert "more than" in reason_of(start + b"!\xfe\0" * 100_000)
    assert reason_of(start + b";") == "it holds no frame"


def test_a_bmp_is_read_whichever_way_its_rows_run_and_in_its_oldest_form() -> None:
    upward = saved(photo((33, 17)), "BMP")
    downward = upward[:22] + struct.pack("<i", -17) + upward[26:]
    assert read_header(downward) == read_header(upward) == ImageHeader("image/bmp", 33, 17)
    oldest = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 33, 17, 1, 24)
    assert read_header(oldest) == ImageHeader("image/bmp", 33, 17)
    assert "unknown length" in reason_of(b"BMW is a maker of cars and engines")


def test_a_bmp_of_extreme_height_is_told_as_large_as_any_reader_takes_it() -> None:
    header = read_header(b"BM" + bytes(12) + struct.pack("<III", 40, 9, 0xFE000000) + bytes(28))
    assert header == ImageHeader("image/bmp", 9, 0xFE000000)


def test_a_webp_of_the_largest_canvas_is_told_so() -> None:
    data = b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<IB3x", 10, 0) + b"\xff" * 6
    assert read_header(data) == ImageHeader("image/webp", 2**24, 2**24)


@pytest.mark.parametrize(
    "body",
    [
        b"VP8 " + bytes(40),
        b"VP8L" + bytes(40),
        b"VP8X" + struct.pack("<I", 12) + bytes(40),
        b"ICCP" + bytes(40),
    ],
)
def test_a_webp_whose_first_chunk_is_wrong_is_refused(body: bytes) -> None:
    reason_of(b"RIFF\0\0\0\0WEBP" + body)


def test_a_webp_of_endless_chunks_has_no_orientation() -> None:
    start = b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<IB3x", 10, 8) + bytes(6)
    assert read_header(start + b"ANMF\0\0\0\0" * 100_000) == ImageHeader("image/webp", 1, 1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_is_as_large_as_its_largest_page(order: str) -> None:
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    first = tiff_page(9, 9, 8 + 30, order)
    assert len(first) == 30
    assert read_header(start + first + tiff_page(50_000, 60_000, 0, order)) == ImageHeader("image/tiff", 50_000, 60_000)


def test_a_tiff_is_read_to_its_64th_page() -> None:
    small = [tiff_page(9, 9, 8 + 30 * (page + 1)) for page in range(MAX_PAGES)]
    small[MAX_PAGES - 1] = tiff_page(600, 600, 0)
    assert read_header(b"II*\0\x08\0\0\0" + b"".join(small)) == ImageHeader("image/tiff", 600, 600)


def test_the_pages_of_a_tiff_that_pillow_wrote_are_read() -> None:
    data = saved(photo((20, 10)), "TIFF", save_all=True, append_images=[photo((60, 40)), photo((30, 30))])
    assert read_header(data) == ImageHeader("image/tiff", 60, 40)


def test_a_tiff_whose_pages_go_round_in_a_circle_is_read_once() -> None:
    assert read_header(b"II*\0\x08\0\0\0" + tiff_page(9, 5, 8)) == ImageHeader("image/tiff", 9, 5)
    assert read_header(b"II*\0\x08\0\0\0" + tiff_page(9, 5, 38) + tiff_page(3, 3, 8)) == ImageHeader("image/tiff", 9, 5)


def test_of_a_size_that_a_tiff_tells_twice_the_larger_is_taken() -> None:
    page = tiff_page(9, 9, 0, more=((256, 70_000), (256, 8)))
    assert read_header(b"II*\0\x08\0\0\0" + page) == ImageHeader("image/tiff", 70_000, 9)


def test_a_tiff_with_giant_tiles_endless_entries_or_no_size_is_refused() -> None:
    start = b"II*\0\x08\0\0\0"
    assert "tiles" in reason_of(start + tiff_page(9, 9, 0, more=((322, 60_000), (323, 60_000))))
    assert "entries" in reason_of(start + tiff_page(9, 9, 0, more=((1, 1),) * MAX_ENTRIES))
    assert "no width" in reason_of(start + struct.pack("<HI", 0, 0))
    assert "no whole number" in reason_of(start + struct.pack("<HHHIII", 1, 256, 5, 1, 99, 0))
    assert "BigTIFF" in reason_of(b"II+\0\x08\0\0\0" + bytes(20))
    assert "BigTIFF" in reason_of(saved(photo(), "TIFF", big_tiff=True))


@pytest.mark.parametrize("file_format", list(MODES))
def test_a_file_cut_off_anywhere_is_refused_or_told_as_it_is(file_format: str) -> None:
    exif = {} if file_format in ("BMP", "GIF") else {"exif": Image.Exif()}
    whole = saved(photo((64, 48)), file_format, **exif)
    full = read_header(whole)
    told: set[object] = set()
    for length in range(min(700, len(whole))):
        try:
            told.add(read_header(whole[:length]))
        except HeaderError as refused:
            told.add(refused.mime_type)
    assert told <= {None, full, MIME_TYPES[file_format]}


MAGICS = [b"\xff\xd8\xff", PNG_MAGIC, PNG_MAGIC + ihdr(3, 3), b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8X", b"BM"]
MAGICS += [b"GIF89a", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(magic: bytes, rest: bytes) -> None:
    try:
        header = read_header(magic + rest)
    except HeaderError:
        return
    assert header is None or (header.width > 0 and header.height > 0 and 1 <= header.orientation <= 8)


WHOLE = [saved(photo((64, 48)), name, exif=Image.Exif()) for name in ("JPEG", "PNG", "WEBP", "TIFF")]
WHOLE += [saved(photo((64, 48)), name) for name in ("BMP", "GIF")]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.dictionaries(st.integers(0, 400), st.integers(0, 255), min_size=1, max_size=6))
def test_no_damaged_file_is_decoded_larger_than_it_was_told(whole: bytes, damage: dict[int, int]) -> None:
    damaged = bytearray(whole)
    for place, value in damage.items():
        damaged[place] = value
    try:
        header = read_header(bytes(damaged))
    except HeaderError:
        return
    if header is not None and header.width * header.height < 1_000_000:
        assert pillow_pixels(bytes(damaged)) <= header.width * header.height


def pillow_pixels(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data), formats=list(MODES)) as image:
            return image.width * image.height
    except Exception:  # what Pillow makes of a damaged file is not what is tested
        return 0
