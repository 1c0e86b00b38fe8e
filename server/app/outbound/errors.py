"""What can go wrong with a URL that a caller named.

::

    OutboundError
    ├── UrlRefused        it may not be called: its scheme, port, host or address; or where it redirects to
    ├── CallFailed        it may be called, but did not give what was asked for; later it may
    └── AnswerTooLarge    it answers with more than is taken

Messages are told to the caller. They hold nothing that he did not say himself: no address, no byte of an answer.
"""


class OutboundError(Exception):
    """A URL could not be called."""


class UrlRefused(OutboundError):
    """The URL may not be called."""


class CallFailed(OutboundError):
    """The URL did not give what was asked for. ``status`` is the HTTP status if there was an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class AnswerTooLarge(OutboundError):
    """The answer is larger than is taken."""
