"""The typed base class: a plugin author writes ``analyze`` and types, the rest follows from them."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, get_type_hints

from sightgate.errors import InputError, InvalidResult, counted
from sightgate.image import Image
from sightgate.plain import plain_result
from sightgate.reporting import progress
from sightgate.schema import parse

Payload = dict[str, Any]


class Plugin:
    """Base of a typed plugin: subclass it and write ``analyze(self, image, options) -> result``.

    The annotations of ``options`` and of the return value are dataclasses, TypedDicts or Pydantic models; their JSON
    Schemas go into the manifest, options arrive parsed, and results leave as plain data. ``load(config)``,
    ``close()``, ``requires`` (modules that must be importable) and ``unavailable(config)`` (None, or the reason why
    the plugin cannot run here) are optional.
    """

    name: str
    version: str = ""
    description: str = ""
    limits: Mapping[str, Any] = {}
    permissions: Mapping[str, Any] = {}
    requires: tuple[str, ...] = ()

    def analyze(self, image: Image, options: Any) -> Any:
        """Analyze one image; ``options`` is what the annotation says, or a dict without one."""
        raise NotImplementedError(f"{type(self).__name__} must define analyze(self, image, options)")

    def run_batch(self, payloads: list[Payload]) -> list[dict[str, Any] | Exception]:
        """Answer several payloads, with a result or an exception for each.

        Calls ``analyze_batch(images, options)`` if the plugin defines it: two lists of one length in, a list of results
        out. Images that cannot be decoded and options that do not fit are taken out before and fail alone.
        """
        analyze_batch = getattr(self, "analyze_batch", None)
        if not callable(analyze_batch):
            raise NotImplementedError(f"{type(self).__name__} defines no analyze_batch")
        answers: list[dict[str, Any] | Exception] = []
        good: list[tuple[int, Image, Any]] = []
        for index, payload in enumerate(payloads):
            answers.append(InputError("not analyzed"))
            try:
                image = Image(payload["image"], payload["mime_type"])
                good.append((index, image, self._options_of(payload)))
                _ = image.pil  # decoded here, so that a broken one fails alone
            except InputError as refused:
                answers[index] = refused
                good = [entry for entry in good if entry[0] != index]
        results = analyze_batch([image for _, image, _ in good], [options for _, _, options in good]) if good else []
        if len(results) != len(good):
            raise InvalidResult(
                f"analyze_batch returned {counted(len(results), 'result')} for {counted(len(good), 'image')}"
            )
        for (index, _, _), result in zip(good, results, strict=True):
            answers[index] = plain_result(result)
        return answers

    def progress(self, done: float, total: float, message: str = "") -> None:
        """Report that ``done`` of ``total`` units of the current call are finished."""
        progress(done, total, message)

    def run(self, payload: Payload) -> dict[str, Any]:
        """Answer one payload ``{"image": bytes, "mime_type": str, "options": dict}`` with plain JSON data.

        Raises InputError if the image cannot be decoded or the options do not fit, InvalidResult if the result is
        no JSON object.
        """
        image = Image(payload["image"], payload["mime_type"])
        return plain_result(self.analyze(image, self._options_of(payload)))

    def _options_of(self, payload: Payload) -> Any:
        return payload["options"] if self._options_type is None else parse(self._options_type, payload["options"])

    @cached_property
    def _options_type(self) -> Any:
        return declared_types(type(self))[0]


def declared_types(plugin_class: type) -> tuple[Any, Any]:
    """Return the annotated types of a typed plugin's options and result, each None where there is no annotation."""
    if not issubclass(plugin_class, Plugin):
        return None, None
    hints = get_type_hints(plugin_class.analyze, include_extras=True)
    names = list(plugin_class.analyze.__code__.co_varnames[: plugin_class.analyze.__code__.co_argcount])
    options = hints.get(names[2]) if len(names) > 2 else None
    result = hints.get("return")
    return (None if options in (Any, dict) else options), (None if result in (Any, dict) else result)
