"""The image a plugin is given, decoded from real photos in every form."""

import io
import random
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data

import sightgate
from sightgate.errors import InputError, UndecodableImage
from sightgate.image import Image

MIME_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
MIME_TYPES |= {"BMP": "image/bmp", "GIF": "image/gif", "TIFF": "image/tiff"}
SIZE = (90, 60)
TURN = PIL.Image.Transpose
# How an upright image is stored under each EXIF orientation (Pillow turns counterclockwise).
STORED_AS = {
    1: None,
    2: TURN.FLIP_LEFT_RIGHT,
    3: TURN.ROTATE_180,
    4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE,
    6: TURN.ROTATE_90,
    7: TURN.TRANSVERSE,
    8: TURN.ROTATE_270,
}


def photo(name: str = "astronaut") -> PIL.Image.Image:
    return PIL.Image.fromarray(getattr(skimage.data, name)()).resize(SIZE)


def encoded(image: PIL.Image.Image, file_format: str, **options: object) -> Image:
    target = io.BytesIO()
    image.save(target, file_format, **options)
    return Image(target.getvalue(), MIME_TYPES[file_format])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
@pytest.mark.parametrize("file_format", list(MIME_TYPES))
def test_a_photo_of_every_format_decodes_to_its_own_pixels(name: str, file_format: str) -> None:
    image = encoded(photo(name), file_format)
    assert (image.width, image.height) == SIZE
    assert image.array.shape == (60, 90, 3)
    assert image.array.dtype == np.uint8
    assert image.pil.mode == "RGB"
    assert distance(image.array, np.asarray(photo(name))) < 12


def test_the_image_is_decoded_once_and_only_when_asked_for() -> None:
    broken = Image(b"no image", "image/png")
    assert (broken.data, broken.mime_type) == (b"no image", "image/png")
    image = encoded(photo(), "PNG")
    assert set(vars(image)) == {"data", "mime_type"}
    assert image.pil is image.pil
    assert image.array is image.array


def test_the_array_cannot_be_changed_and_opencv_takes_it() -> None:
    image = encoded(photo(), "PNG")
    with pytest.raises(ValueError, match="read-only"):
        image.array[0, 0] = 0
    assert cv2.cvtColor(image.array, cv2.COLOR_RGB2GRAY).shape == (60, 90)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_pixels_are_upright_whatever_the_exif_orientation(file_format: str, orientation: int) -> None:
    turned_away = STORED_AS[orientation]
    stored = photo() if turned_away is None else photo().transpose(turned_away)
    exif = PIL.Image.Exif()
    exif[274] = orientation
    image = encoded(stored, file_format, exif=exif)
    assert (image.width, image.height) == SIZE
    assert distance(image.array, np.asarray(photo())) < 12


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_broken_exif_block_leaves_the_pixels_as_they_are() -> None:
    image = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xffbroken")
    assert image.array.shape == (60, 90, 3)


def test_transparency_is_laid_over_white() -> None:
    clear = PIL.Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (0, 0, 0, 128))
    assert encoded(clear, "PNG").array.tolist() == [[[255, 255, 255], [127, 127, 127]]]
    assert encoded(PIL.Image.new("LA", (1, 1), (0, 0)), "PNG").array.tolist() == [[[255, 255, 255]]]
    assert encoded(PIL.Image.new("L", (1, 1), 7), "PNG", transparency=7).array.tolist() == [[[255, 255, 255]]]
    assert encoded(PIL.Image.new("RGB", (1, 1), (1, 2, 3)), "PNG", transparency=(1, 2, 3)).array.tolist() == [
        [[255, 255, 255]]
    ]


def test_a_palette_with_and_without_transparency_is_expanded() -> None:
    palette = PIL.Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    assert encoded(palette, "PNG").array.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert encoded(palette, "GIF", transparency=1).array.tolist() == [[[10, 20, 30], [255, 255, 255]]]
    assert encoded(palette, "PNG", transparency=b"\xff\x00").array.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_one_bit_and_grey_images_become_grey_rgb() -> None:
    bits = PIL.Image.new("1", (2, 1))
    bits.putpixel((1, 0), 1)
    assert encoded(bits, "PNG").array.tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert encoded(PIL.Image.new("L", (1, 1), 77), "PNG").array.tolist() == [[[77, 77, 77]]]


def test_cmyk_keeps_its_colours() -> None:
    for file_format in ("JPEG", "TIFF"):
        image = encoded(photo().convert("CMYK"), file_format)
        assert distance(image.array, np.asarray(photo())) < 12


def grey(values: list[float], dtype: type, file_format: str = "TIFF") -> list[int]:
    stored = PIL.Image.fromarray(np.array([values], dtype=dtype))
    return [int(pixel[0]) for pixel in encoded(stored, file_format).array[0]]


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_upper_byte(file_format: str) -> None:
    assert grey([0, 255, 256, 32768, 65535], np.uint16, file_format) == [0, 0, 1, 128, 255]


def test_wide_grey_is_kept_where_it_fits_and_stretched_where_not() -> None:
    assert grey([0, 100, 255], np.int32) == [0, 100, 255]
    assert grey([-1000, 0, 1000], np.int32) == [0, 127, 255]
    assert grey([0.0, 0.5, 1.0], np.float32) == [0, 127, 255]
    assert grey([0.0, 100.0, 255.0], np.float32) == [0, 100, 255]
    assert grey([5000.0, 5000.0], np.float32) == [0, 0]


def test_grey_that_is_not_a_number_still_decodes() -> None:
    assert len(grey([float("nan"), float("inf"), 1.0], np.float32)) == 3


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [PIL.Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    for file_format in ("GIF", "WEBP", "TIFF"):
        image = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
        red, _, blue = image.array[0, 0].tolist()
        assert red > 200
        assert blue < 60


@pytest.mark.parametrize("file_format", list(MIME_TYPES))
def test_a_file_cut_off_in_its_pixels_is_undecodable(file_format: str) -> None:
    whole = encoded(photo(), file_format).data
    with pytest.raises(UndecodableImage) as refused:
        _ = Image(whole[: len(whole) * 2 // 3], MIME_TYPES[file_format]).array
    assert refused.value.code == "undecodable_image"
    assert isinstance(refused.value, InputError)


@pytest.mark.parametrize(
    "data", [b"", b"plain text", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9"]
)
def test_what_is_no_image_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="cannot be decoded") as refused:
        _ = Image(data, "image/png").pil
    assert "0x" not in str(refused.value)


def test_an_image_beyond_the_ceiling_is_undecodable() -> None:
    bomb = bytearray(encoded(PIL.Image.new("1", (8, 8)), "BMP").data)
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2
    with pytest.raises(UndecodableImage):
        _ = Image(bytes(bomb), "image/bmp").pil


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_an_image_that_the_server_let_through_decodes_without_a_warning(file_format: str) -> None:
    before = PIL.Image.MAX_IMAGE_PIXELS
    large = encoded(PIL.Image.new("1", (10_000, 9_500)), file_format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert large.pil.size == (10_000, 9_500)
    assert before == PIL.Image.MAX_IMAGE_PIXELS


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("file_format", list(MIME_TYPES))
def test_a_damaged_file_decodes_or_is_undecodable_and_nothing_else(file_format: str) -> None:
    whole = encoded(photo(), file_format, **({} if file_format in ("BMP", "GIF") else {"exif": PIL.Image.Exif()})).data
    chance = random.Random(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(min(len(damaged), 400))] = chance.randrange(256)
        image = Image(bytes(damaged), MIME_TYPES[file_format])
        if is_small(image.data):
            try:
                assert image.pil.mode == "RGB"
            except UndecodableImage:
                continue


def is_small(data: bytes) -> bool:
    try:
        with PIL.Image.open(io.BytesIO(data)) as opened:
            return opened.width * opened.height < 4_000_000
    except PIL.Image.DecompressionBombError:
        return False
    except Exception:  # what Pillow makes of a damaged file is what the caller looks at
        return True


@pytest.mark.parametrize(("attribute", "package"), [("pil", "pillow"), ("width", "pillow"), ("array", "numpy")])
def test_without_its_libraries_the_error_names_what_to_install(attribute: str, package: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(sightgate.__file__).parents[1])!r})\n"
        "from sightgate.image import Image\nfrom sightgate.errors import Unavailable\n"
        f"try:\n    Image(b'', 'image/png').{attribute}\nexcept Unavailable as missing:\n    print(missing)"
    )
    # -I and -S leave out every installed package.
    shown = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True, check=True, timeout=60)
    assert f"pip install {package}" in shown.stdout
