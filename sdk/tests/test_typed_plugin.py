"""Options and results as dataclasses, TypedDicts and Pydantic models, through a plugin that is run as a worker does."""

from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict

import pydantic
import pytest

import sightgate
from sightgate.check import sample_png
from sightgate.testing import PluginFailed, manifest_of, run_plugin

PNG = sample_png(16, 12)


@dataclass(frozen=True)
class Options:
    most: Annotated[int, sightgate.Field(ge=1, le=10, description="How many at most.")] = 3
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    width: int
    boxes: list[sightgate.Box]


class WithDataclasses(sightgate.Plugin):
    name = "with-dataclasses"

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        assert isinstance(options, Options)
        return Result(image.width, [sightgate.Box(0, 0, 1, 2, label=tag) for tag in options.tags[: options.most]])


class DictOptions(TypedDict):
    most: NotRequired[int]


class DictResult(TypedDict):
    most: int
    mime_type: str


class WithTypedDicts(sightgate.Plugin):
    name = "with-typed-dicts"

    def analyze(self, image: sightgate.Image, options: DictOptions) -> DictResult:
        return {"most": options.get("most", 7), "mime_type": image.mime_type}


class ModelOptions(pydantic.BaseModel):
    most: int = pydantic.Field(3, ge=1, le=10)


class ModelResult(pydantic.BaseModel):
    most: int
    label: sightgate.Label


class WithModels(sightgate.Plugin):
    name = "with-models"

    def analyze(self, image: sightgate.Image, options: ModelOptions) -> ModelResult:
        return ModelResult(most=options.most, label=sightgate.Label("cat", 0.5))


class Untyped(sightgate.Plugin):
    name = "untyped"

    def analyze(self, image, options):  # type: ignore[no-untyped-def]
        return {"options": options, "bytes": len(image.data)}


class Unwritten(sightgate.Plugin):
    name = "unwritten"


class Liar(sightgate.Plugin):
    name = "liar"

    def analyze(self, image: sightgate.Image, options: Options) -> Any:
        return 7


class Decoder(sightgate.Plugin):
    name = "decoder"

    def analyze(self, image: sightgate.Image, options: dict[str, Any]) -> dict[str, Any]:
        return {"height": image.array.shape[0]}


@pytest.mark.parametrize(
    ("plugin", "options", "result"),
    [
        (WithDataclasses, {}, {"width": 16, "boxes": []}),
        (
            WithDataclasses,
            {"most": 1, "tags": ["a", "b"]},
            {"width": 16, "boxes": [{"type": "box", "x": 0, "y": 0, "width": 1, "height": 2, "label": "a"}]},
        ),
        (WithTypedDicts, {}, {"most": 7, "mime_type": "image/png"}),
        (WithTypedDicts, {"most": 2}, {"most": 2, "mime_type": "image/png"}),
        (WithModels, {}, {"most": 3, "label": {"type": "label", "label": "cat", "score": 0.5}}),
        (WithModels, {"most": 9}, {"most": 9, "label": {"type": "label", "label": "cat", "score": 0.5}}),
        (Untyped, {"any": [1, None]}, {"options": {"any": [1, None]}, "bytes": len(PNG)}),
    ],
)
def test_options_arrive_parsed_and_results_leave_plain(
    plugin: type, options: dict[str, Any], result: dict[str, Any]
) -> None:
    assert run_plugin(plugin, PNG, options=options) == result


@pytest.mark.parametrize("plugin", [WithDataclasses, WithTypedDicts, WithModels])
@pytest.mark.parametrize("options", [{"most": "many"}, {"most": None}, {"most": [1]}, {"least": 1}])
def test_options_that_do_not_fit_are_the_inputs_fault_and_name_the_field(plugin: type, options: dict[str, Any]) -> None:
    with pytest.raises(sightgate.InputError, match=next(iter(options))) as refused:
        run_plugin(plugin, PNG, options=options)
    assert refused.value.code == "invalid_options"


@pytest.mark.parametrize("plugin", [WithDataclasses, WithModels])
def test_bounds_of_options_hold(plugin: type) -> None:
    for most in (0, 11):
        with pytest.raises(sightgate.InputError, match="most"):
            run_plugin(plugin, PNG, options={"most": most})


@pytest.mark.parametrize("plugin", [WithDataclasses, WithTypedDicts, WithModels])
def test_the_manifest_carries_both_schemas(plugin: type) -> None:
    manifest = manifest_of(plugin)
    assert manifest.options_schema is not None
    assert "most" in manifest.options_schema["properties"]
    assert manifest.result_schema is not None
    assert manifest.result_schema["type"] == "object"


def test_bounds_and_descriptions_are_in_the_schema() -> None:
    schema = manifest_of(WithDataclasses).options_schema
    assert schema is not None
    most = schema["properties"]["most"]
    assert (most["minimum"], most["maximum"], most["description"]) == (1, 10, "How many at most.")


def test_without_annotations_there_is_no_schema() -> None:
    manifest = manifest_of(Untyped)
    assert (manifest.options_schema, manifest.result_schema) == (None, None)


def test_an_image_that_cannot_be_decoded_is_the_inputs_fault() -> None:
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(Decoder, PNG[:50], mime_type="image/png")
    assert refused.value.code == "undecodable_image"


def test_a_typed_plugin_that_returns_no_object_has_failed_by_its_output() -> None:
    with pytest.raises(PluginFailed) as failed:
        run_plugin(Liar, PNG)
    assert failed.value.failure.code == "invalid_output"


def test_a_plugin_without_analyze_says_what_to_write() -> None:
    with pytest.raises(PluginFailed, match="must define analyze"):
        run_plugin(Unwritten, PNG)
