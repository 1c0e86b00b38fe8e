from __future__ import annotations

import numpy as np
import onnx
import PIL.Image
import pytest
from onnx import TensorProto, helper, numpy_helper
from sightgate_objects import Objects

import sightgate
from sightgate.testing import run_plugin

SIDE, CELL = 64, 8
CELLS = SIDE // CELL


def color_detector(path, layout="yolov8", box=CELL, names="{0: 'red', 1: 'blue'}", dtype="FLOAT", side=SIDE):
    """Write a detector that is exact: a box for each cell of 8 × 8 pixels, scored by how much redder or bluer it is.

    A purely red cell has the score 1 for `red`; grey has 0 for both. `box` is the side of the boxes, in input pixels.
    yolov5 has an objectness of 0.5 everywhere, which halves each score.
    """
    centres = (np.arange(CELLS) + 0.5) * CELL
    x, y = (grid.ravel() for grid in np.meshgrid(centres, centres))
    boxes = np.stack([x, y, np.full_like(x, box), np.full_like(x, box)]).astype(np.float32)[np.newaxis]
    weights = np.zeros((2, 3, 1, 1), dtype=np.float32)
    weights[0, 0], weights[0, 2], weights[1, 2], weights[1, 0] = 1, -1, 1, -1
    constants: dict[str, np.ndarray] = {
        "weights": weights,
        "boxes": boxes,
        "objectness": np.full((1, 1, CELLS * CELLS), 0.5, dtype=np.float32),
        "shape": np.array([1, 2, CELLS * CELLS], dtype=np.int64),
    }
    parts = ["boxes", "objectness", "scores"] if layout == "yolov5" else ["boxes", "scores"]
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["pixels", "weights"], ["difference"]),
        helper.make_node("Relu", ["difference"], ["positive"]),
        helper.make_node("AveragePool", ["positive"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Reshape", ["cells", "shape"], ["scores"]),
        helper.make_node("Concat", parts, ["joined"], axis=1),
        helper.make_node("Transpose", ["joined"], ["turned"], perm=[0, 2, 1] if layout == "yolov5" else [0, 1, 2]),
        helper.make_node("Cast", ["turned"], ["output0"], to=getattr(TensorProto, dtype)),
    ]
    graph = helper.make_graph(
        nodes,
        "color-detector",
        [helper.make_tensor_value_info("images", getattr(TensorProto, dtype), [1, 3, side, side])],
        [helper.make_tensor_value_info("output0", getattr(TensorProto, dtype), ["batch", "rows", "columns"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"names": names})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return {"model": str(path)}


def scene(size=(64, 64), **rectangles):
    image = PIL.Image.new("RGB", size, (114, 114, 114))
    for color, place in rectangles.items():
        image.paste(color, place)
    return image


@pytest.mark.parametrize("layout", ["yolov8", "yolov5"])
def test_each_rectangle_is_found_with_its_class_place_and_score(tmp_path, encoded, layout):
    config = color_detector(tmp_path / "m.onnx", layout)
    image = scene(red=(8, 16, 16, 24), blue=(40, 48, 48, 56))
    objects = run_plugin(Objects, encoded(image), config=config)["objects"]
    score = 1 if layout == "yolov8" else 0.5
    assert sorted(objects, key=lambda box: box["x"]) == [
        {"type": "box", "x": 8, "y": 16, "width": 8, "height": 8, "label": "red", "score": pytest.approx(score)},
        {"type": "box", "x": 40, "y": 48, "width": 8, "height": 8, "label": "blue", "score": pytest.approx(score)},
    ]


@pytest.mark.parametrize(
    ("size", "place"), [((640, 320), (160, 80, 240, 160)), ((320, 640), (80, 160, 160, 240)), ((32, 16), (8, 4, 12, 8))]
)
def test_boxes_come_back_through_the_letterbox_in_image_pixels(tmp_path, encoded, size, place):
    config = color_detector(tmp_path / "m.onnx")
    (box,) = run_plugin(Objects, encoded(scene(size, red=place)), config=config, options={"min_score": 0.5})["objects"]
    found = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    assert found == pytest.approx(place, abs=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_in_pixels_of_the_upright_image(tmp_path, turned, orientation):
    config = color_detector(tmp_path / "m.onnx")
    data = turned(scene((640, 320), red=(160, 80, 240, 160)), orientation)
    (box,) = run_plugin(Objects, data, config=config, options={"min_score": 0.5})["objects"]
    assert (box["x"], box["y"], box["width"], box["height"]) == pytest.approx((160, 80, 80, 80), abs=0.01)


def test_boxes_are_cut_at_the_edges_of_the_image(tmp_path, encoded):
    config = color_detector(tmp_path / "m.onnx", box=24)
    (box,) = run_plugin(Objects, encoded(scene(red=(0, 0, 8, 8))), config=config)["objects"]
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 16, 16)


def test_of_overlapping_boxes_of_one_class_the_surest_stays(tmp_path, encoded):
    config = color_detector(tmp_path / "m.onnx", box=24)
    # Two neighbouring cells, the right one only half red: their boxes overlap by 0.5.
    image = scene(red=(24, 24, 36, 32))
    (kept,) = run_plugin(Objects, encoded(image), config=config)["objects"]
    assert (kept["x"], kept["score"]) == (16, pytest.approx(1))
    both = run_plugin(Objects, encoded(image), config=config, options={"max_overlap": 0.6})["objects"]
    assert [box["score"] for box in both] == pytest.approx([1, 0.5])


def test_overlapping_boxes_of_two_classes_both_stay(tmp_path, encoded):
    config = color_detector(tmp_path / "m.onnx", box=24)
    image = scene(red=(24, 24, 32, 32), blue=(32, 24, 40, 32))
    assert {box["label"] for box in run_plugin(Objects, encoded(image), config=config)["objects"]} == {"red", "blue"}


def test_every_box_in_a_photograph_is_as_red_or_blue_as_its_score_says(tmp_path, sample):
    config = color_detector(tmp_path / "m.onnx")
    photo = PIL.Image.open(sample("flower.jpg")).convert("RGB")
    objects = run_plugin(Objects, sample("flower.jpg"), config=config, options={"min_score": 0.3})["objects"]
    assert objects
    for box in objects:
        corners = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        red, _, blue = np.asarray(photo.crop(tuple(round(corner) for corner in corners))).mean(axis=(0, 1)) / 255
        assert (red - blue if box["label"] == "red" else blue - red) == pytest.approx(box["score"], abs=0.1)
    assert [box["score"] for box in objects] == sorted((box["score"] for box in objects), reverse=True)


def test_options_choose_score_classes_and_number(tmp_path, encoded):
    config = color_detector(tmp_path / "m.onnx")
    data = encoded(scene(red=(8, 8, 24, 24), blue=(40, 40, 44, 48)))

    def count(**options):
        return len(run_plugin(Objects, data, config=config, options=options)["objects"])

    assert count() == 5
    assert count(min_score=0.6) == 4
    assert count(labels=["blue"]) == 1
    assert count(max_objects=2) == 2


def test_an_unknown_class_is_refused_with_the_known_ones(tmp_path, encoded):
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(
            Objects, encoded(scene()), config=color_detector(tmp_path / "m.onnx"), options={"labels": ["unicorn"]}
        )
    assert refused.value.details == {"field": "labels", "known": ["red", "blue"]}


def test_an_image_with_nothing_in_it_has_no_objects(tmp_path, encoded):
    config = color_detector(tmp_path / "m.onnx")
    assert run_plugin(Objects, encoded(scene((33, 77))), config=config) == {"objects": []}


@pytest.mark.parametrize("layout", ["yolov8", "yolov5"])
def test_labels_come_from_a_list_a_file_the_model_or_are_numbered(tmp_path, encoded, layout):
    data = encoded(scene(blue=(8, 8, 16, 16)))
    named = color_detector(tmp_path / "named.onnx", layout)
    nameless = color_detector(tmp_path / "nameless.onnx", layout, names=None)
    file = tmp_path / "labels.txt"
    file.write_text("rot\nblau\n\n", encoding="utf-8")

    def label(config):
        return run_plugin(Objects, data, config=config)["objects"][0]["label"]

    assert label(named) == "blue"
    assert label({**named, "labels": ["rouge", "bleu"]}) == "bleu"
    assert label({**named, "labels": str(file)}) == "blau"
    assert label(nameless) == "class_1"
    assert label({**nameless, "layout": layout}) == "class_1"


def test_models_in_half_precision_and_of_open_size_run(tmp_path, encoded):
    data = encoded(scene(red=(8, 16, 16, 24)))
    half = color_detector(tmp_path / "half.onnx", dtype="FLOAT16")
    open_size = {**color_detector(tmp_path / "open.onnx", side="side"), "input_size": SIDE}
    for config in (half, open_size):
        (box,) = run_plugin(Objects, data, config=config)["objects"]
        assert (box["x"], box["y"], box["width"], box["height"]) == (8, 16, 8, 8)


def test_without_a_model_the_reason_says_how_to_configure_one(encoded):
    with pytest.raises(sightgate.Unavailable) as refused:
        run_plugin(Objects, encoded(scene()))
    assert "set `config.model` under [objects] in plugins.toml" in refused.value.reason


def wrong_settings(folder):
    (folder / "garbage.onnx").write_bytes(b"this is no model")
    good = color_detector(folder / "good.onnx")
    return {
        "is not there": {"model": str(folder / "nowhere.onnx")},
        "is not a text": {"model": 7},
        "is no usable ONNX model": {"model": str(folder / "garbage.onnx")},
        "config.weights is no setting": {**good, "weights": 1},
        "config.layout must be": {**good, "layout": "yolov1"},
        "config.input_size must be": {**good, "input_size": 100},
        "config.labels must be": {**good, "labels": 3},
        "config.labels cannot be read": {**good, "labels": str(folder / "nowhere.txt")},
        "with 3 labels is neither": {**good, "labels": ["a", "b", "c"]},
        "does not run on 128": {**color_detector(folder / "open.onnx", side="side"), "input_size": 128},
    }


def test_each_wrong_setting_makes_the_plugin_unavailable_and_is_named(tmp_path, encoded):
    for reason, config in wrong_settings(tmp_path).items():
        with pytest.raises(sightgate.Unavailable) as refused:
            run_plugin(Objects, encoded(scene()), config=config)
        assert reason in refused.value.reason
        assert str(tmp_path) not in refused.value.reason


def test_a_model_that_is_no_detector_is_refused(tmp_path, encoded):
    nodes = [helper.make_node("GlobalAveragePool", ["images"], ["output0"])]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 3, 1, 1])
    model = helper.make_model(
        helper.make_graph(nodes, "classifier", [images], [output]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, tmp_path / "classifier.onnx")
    with pytest.raises(sightgate.Unavailable, match="neither yolov8"):
        run_plugin(Objects, encoded(scene()), config={"model": str(tmp_path / "classifier.onnx")})
