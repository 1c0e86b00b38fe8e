"""What holds for every bundled plugin, and for the example images."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import jsonschema_rs
import pytest

from sightgate.testing import manifest_of, run_plugin

HERE = Path(__file__).parents[1]
IMAGES = HERE.parent / "examples" / "images"
NAMES = ("barcodes", "faces", "fingerprint", "image-info", "objects", "ocr", "quality")
HEAVY = {"numpy", "PIL", "cv2", "onnxruntime", "rapidocr_onnxruntime", "scipy", "pywt", "imagehash", "zxingcpp"}


EXAMPLE = {"ocr": "receipt.jpg", "barcodes": "qr-code.png"}


@pytest.fixture(scope="module")
def result_of():
    """What a plugin answers on its example image."""
    return cache(lambda name: run_plugin(entry_point(name).load(), IMAGES / EXAMPLE.get(name, "astronaut.jpg")))


def entry_point(name: str) -> EntryPoint:
    (found,) = entry_points(group="sightgate.plugins", name=name)
    return found


def test_every_folder_with_a_package_is_tested_here():
    assert tuple(sorted(path.parent.name for path in HERE.glob("*/pyproject.toml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_entry_point_leads_to_a_plugin_of_its_name_with_valid_schemas(name):
    manifest = manifest_of(entry_point(name).load())
    assert manifest.name == name
    assert manifest.description
    assert not manifest.permissions
    for schema in (manifest.options_schema, manifest.result_schema):
        assert schema is not None
        jsonschema_rs.meta.validate(dict(schema))


@pytest.mark.parametrize("name", NAMES)
def test_importing_the_module_imports_no_heavy_library(name):
    module = entry_point(name).module
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert not HEAVY & set(loaded)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names_every_option_and_every_field_of_the_result(name):
    manifest = manifest_of(entry_point(name).load())
    readme = (HERE / name / "README.md").read_text(encoding="utf-8")
    for schema in (manifest.options_schema, manifest.result_schema):
        assert schema is not None
        for field in schema["properties"]:
            assert f"`{field}`" in readme or f"`{field}." in readme, field


@pytest.mark.parametrize("name", [name for name in NAMES if name != "objects"])
def test_a_result_on_an_example_image_fits_the_declared_schema(name, result_of):
    schema = manifest_of(entry_point(name).load()).result_schema
    assert schema is not None
    jsonschema_rs.validate(dict(schema), result_of(name))


def test_the_example_images_show_what_their_readme_says(result_of):
    assert len(result_of("faces")["faces"]) == 1
    assert result_of("barcodes")["barcodes"][0]["text"] == "https://example.org/sightgate"
    assert all(word in result_of("ocr")["text"] for word in ("Corner Bakery", "Total EUR", "23.90"))


def test_the_example_images_are_small_and_each_is_named_with_its_licence():
    readme = (IMAGES / "README.md").read_text(encoding="utf-8")
    for image in IMAGES.iterdir():
        assert image.stat().st_size < 150 * 1024
        assert image.name == "README.md" or f"`{image.name}`" in readme
