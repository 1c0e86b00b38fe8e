"""The errors a plugin may raise and the server understands."""

from __future__ import annotations


class SightgateError(Exception):
    """Root of every error this package raises on purpose."""


class InputError(SightgateError):
    """What the caller sent cannot be worked on: the image or an option is at fault, not the plugin.

    `code` is a stable lower-case word for programs, the message is for people, and `details` are plain JSON
    values that help to mend the call.
    """

    default_code = "invalid_options"

    def __init__(self, message: str, code: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.code, self.details)


class UndecodableImage(InputError):
    """The bytes are not an image that can be decoded. `code` is `undecodable_image`."""

    default_code = "undecodable_image"


class InvalidOptions(InputError):
    """The options do not fit the plugin's option type. `code` is `invalid_options`."""

    default_code = "invalid_options"


class InvalidResult(SightgateError):
    """What the plugin returned is no result: not JSON, or not an object."""


class Unavailable(SightgateError):
    """The plugin cannot run here, for a reason that says how to mend it (a missing library or model file)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _rebuild(kind: type[InputError], message: str, code: str, details: dict[str, object]) -> InputError:
    return kind(message, code, **details)


def counted(number: int, thing: str) -> str:
    """Return a number of things for a message: 1 call, 2 calls."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
