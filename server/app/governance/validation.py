"""What is a valid input, and what is a valid output. Pure functions; the gate calls them."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.governance.errors import InputValidationError, OutputValidationError, shorten
from app.governance.image_header import HeaderError, read_header

__all__ = [
    "InputRules",
    "InputValidationError",
    "OutputRules",
    "OutputValidationError",
    "measure_plugin_output",
    "validate_input_payload",
    "validate_plugin_output",
]

SUPPORTED_MIME_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif", "image/tiff")
# What an upload is declared as when neither its sender nor its bytes tell what it is.
UNTYPED = "application/octet-stream"
_ALIASES: Mapping[str, str] = {"image/jpg": "image/jpeg", "image/x-ms-bmp": "image/bmp", "image/x-png": "image/png"}
_MIME_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
# The value itself, whatever a subclass (an enum, say) makes of its text.
_PLAIN_VALUES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
)
_PAYLOAD_FIELDS = frozenset({"image", "mime_type", "options"})


@dataclass(frozen=True, slots=True)
class InputRules:
    """What the gate takes: the most pixels (width × height) an image may have."""

    max_pixels: int = 100_000_000


@dataclass(frozen=True, slots=True)
class OutputRules:
    """What the gate lets out: bytes of the result as JSON, levels of nesting."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 64


DEFAULT_INPUT_RULES = InputRules()
DEFAULT_OUTPUT_RULES = OutputRules()


def validate_input_payload(payload: dict[str, Any], rules: InputRules = DEFAULT_INPUT_RULES) -> None:
    """Raise InputValidationError unless the payload is one that a plugin may receive.

    A payload is ``{"image": bytes, "mime_type": str, "options": dict}``. The image must be of the declared type, one
    of the six supported, and have no more pixels than allowed, all read from its header.
    """
    if not isinstance(payload, dict):
        raise InputValidationError("malformed_request", f"the payload must be a dict, not {type(payload).__name__}")
    if not payload.keys() <= _PAYLOAD_FIELDS:
        unknown = next(iter(payload.keys() - _PAYLOAD_FIELDS))
        raise InputValidationError("unknown_field", f"a payload has no field {shorten(unknown)!r}")
    _validate_options(payload.get("options", {}))
    image = _checked_bytes(payload.get("image"))
    _validate_image(image, _declared_type(payload.get("mime_type")), rules)


def _validate_options(options: object) -> None:
    if not isinstance(options, dict):
        raise InputValidationError("invalid_options", "options must be an object", field="options")
    if not options:
        return
    try:
        _plain(options, "options", DEFAULT_OUTPUT_RULES.max_depth)
        msgspec.json.encode(options)
    except OutputValidationError as unusable:
        raise InputValidationError("invalid_options", unusable.message, field="options") from unusable
    except (TypeError, ValueError, OverflowError) as unusable:
        said = f"the options are not JSON in valid Unicode: {shorten(unusable, 200)}"
        raise InputValidationError("invalid_options", said, field="options") from unusable


def normalize_mime_type(declared: str) -> str:
    """Return a MIME type in lower case, without parameters, with common aliases resolved."""
    plain = declared.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def _declared_type(declared: object) -> str:
    if not isinstance(declared, str) or not declared:
        raise InputValidationError("missing_mime_type", "mime_type is missing; say image/jpeg, for example")
    if declared in SUPPORTED_MIME_TYPES:
        return declared
    normal = normalize_mime_type(declared)
    if not _MIME_TYPE.fullmatch(normal):
        raise InputValidationError("missing_mime_type", f"{shorten(declared)!r} is no MIME type; say image/jpeg")
    if normal not in SUPPORTED_MIME_TYPES:
        what = "an image of unknown type" if normal == UNTYPED else repr(shorten(normal))
        said = f"{what} is not supported; send one of {', '.join(SUPPORTED_MIME_TYPES)}"
        raise InputValidationError("unsupported_mime_type", said, supported=list(SUPPORTED_MIME_TYPES))
    return normal


def _checked_bytes(image: object) -> bytes:
    if image is None or image == b"":
        raise InputValidationError("empty_image", "the image is empty; send the bytes of an image file")
    if not isinstance(image, bytes):
        raise InputValidationError("undecodable_image", f"the image must be bytes, not {type(image).__name__}")
    return image


def _validate_image(image: bytes, declared: str, rules: InputRules) -> None:
    try:
        header = read_header(image)
    except HeaderError as broken:
        _check_same_type(declared, broken.mime_type)
        raise InputValidationError("undecodable_image", f"the image is broken: {broken.reason}") from broken
    if header is None:
        raise InputValidationError("undecodable_image", "the bytes are no image of a supported type")
    _check_same_type(declared, header.mime_type)
    pixels = header.width * header.height
    if pixels > rules.max_pixels:
        said = f"the image has {header.width} x {header.height} pixels, more than the {rules.max_pixels} allowed"
        raise InputValidationError("image_too_large", said, pixels=pixels, limit_pixels=rules.max_pixels)


def _check_same_type(declared: str, actual: str) -> None:
    if declared != actual:
        said = f"the image is {actual}, but {declared} was declared"
        raise InputValidationError("mime_mismatch", said, declared=declared, actual=actual)


def validate_plugin_output(raw: object, rules: OutputRules = DEFAULT_OUTPUT_RULES) -> dict[str, Any]:
    """Return a plugin's result as plain JSON data: a dict that is not empty, with NumPy values made plain.

    Raises OutputValidationError for anything else: no dict, an empty one, keys that are no strings, NaN or infinity,
    values that are no JSON, lone surrogates, more than 64 levels, more than 16 MiB as JSON.
    """
    return measure_plugin_output(raw, rules)[0]


def measure_plugin_output(raw: object, rules: OutputRules = DEFAULT_OUTPUT_RULES) -> tuple[dict[str, Any], int]:
    """Return what `validate_plugin_output` returns, and how many bytes it is as JSON. Raises as that does."""
    try:
        plain = _plain_result(raw, rules.max_depth)
    except OutputValidationError:
        raise
    except BaseException as raised:  # a plugin's own objects may do anything when they are looked at
        raise _invalid(f"the result cannot be read: it raised {type(raised).__name__}") from raised
    try:
        size = len(msgspec.json.encode(plain))
    except (UnicodeEncodeError, OverflowError, ValueError) as unusable:
        raise _invalid(f"the result is not JSON in valid Unicode: {unusable}") from unusable
    if size > rules.max_bytes:
        said = f"the result is {size} bytes of JSON, more than the {rules.max_bytes} allowed"
        raise OutputValidationError("output_too_large", said, bytes=size, limit_bytes=rules.max_bytes)
    return plain, size


def _plain_result(raw: object, max_depth: int) -> dict[str, Any]:
    if not isinstance(raw, dict) or not raw:
        said = "an empty dict" if isinstance(raw, dict) else type(raw).__name__
        raise _invalid(f"a plugin must return a dict with at least one key, not {said}")
    plain: dict[str, Any] = _plain(raw, "result", max_depth)
    return plain


def _plain(value: Any, path: str, levels: int) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise _invalid(f"{shorten(path, 200)} is {value}, which is no JSON")
    if kind is dict or kind is list or kind is tuple:
        return _plain_container(value, path, levels)
    return _plain_unusual(value, path, levels)


def _plain_container(value: Any, path: str, levels: int) -> Any:
    if levels <= 0:
        raise _invalid("there is deeper nesting than allowed, or something that contains itself")
    if not isinstance(value, dict):
        return [_plain(item, path, levels - 1) for item in value]
    for key in value:
        if not isinstance(key, str):
            raise _invalid(f"{shorten(path, 200)} has a key that is no string but {type(key).__name__}")
    return {str.__str__(key): _plain(item, key, levels - 1) for key, item in value.items()}


def _plain_unusual(value: Any, path: str, levels: int) -> Any:
    """Handle what is rare: subclasses of plain types, and NumPy's scalars and arrays, told by their methods."""
    if isinstance(value, (dict, list, tuple)):
        return _plain_container(value, path, levels)
    for base, plain in _PLAIN_VALUES:
        if isinstance(value, base):
            return _plain(plain(value), path, levels)
    to_list = getattr(value, "tolist", None)  # NumPy scalars have it too
    if type(value).__module__.partition(".")[0] == "numpy" and callable(to_list):
        listed = to_list()
        if type(listed) in (bool, int, float, str, list):
            return _plain(listed, path, levels)
    raise _invalid(f"{shorten(path, 200)} is {type(value).__name__}, which is no JSON")


def _invalid(message: str) -> OutputValidationError:
    return OutputValidationError("invalid_output", message)
