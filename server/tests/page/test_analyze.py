"""Images in, results over them: what a newcomer does with the page, on real plugins."""

import csv
import io
import json
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from support.analyze_view import AnalyzeView
from support.images import EXAMPLES, encoded
from support.running_server import RunningServer, eventually

RECEIPT = EXAMPLES / "receipt.jpg"
ASTRONAUT = EXAMPLES / "astronaut.jpg"
QR_CODE = EXAMPLES / "qr-code.png"


def test_text_on_a_photo_is_read_and_shown_where_it_stands(page: Page):
    view = AnalyzeView(page).open("ocr")
    view.add(RECEIPT)
    view.run()
    expect(view.finding("Total EUR")).to_be_visible()
    expect(view.outcome("ocr")).to_contain_text("15 findings")
    expect(view.outcome("ocr")).to_contain_text("ran")
    expect(page.get_by_role("img", name="receipt.jpg with 15 findings")).to_be_visible()
    view.tab("Values")
    expect(page.get_by_role("region", name="Values")).to_contain_text("Corner Bakery")
    view.tab("JSON")
    expect(page.get_by_role("region", name="Result as JSON")).to_contain_text("regions")


def test_a_newcomer_comes_to_a_result_with_two_clicks(page: Page):
    page.goto("/")
    page.get_by_role("button", name="A receipt").click()
    expect(page.get_by_role("checkbox", name="ocr", exact=True)).to_be_checked()
    AnalyzeView(page).run()
    expect(AnalyzeView(page).finding("Total EUR")).to_be_visible()


def test_several_plugins_are_drawn_together_and_each_can_be_hidden(page: Page):
    view = AnalyzeView(page).open("faces", "barcodes", "image-info")
    view.add(ASTRONAUT, QR_CODE)
    view.run()
    expect(view.finding("face")).to_be_visible()
    expect(view.outcome("image-info")).to_contain_text("nothing to draw")
    page.get_by_role("checkbox", name="Show faces on the image").uncheck()
    expect(page.get_by_text("Nothing is left at this confidence and with these plugins.")).to_be_visible()
    view.image("qr-code.png").click()
    expect(view.finding("https://example.org/sightgate")).to_be_visible()


def test_pointing_at_the_image_marks_the_row_and_the_other_way_round(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.add(ASTRONAUT)
    view.run()
    expect(page.get_by_role("img", name="astronaut.jpg with 5 findings")).to_be_visible()
    expect(page.get_by_role("status", name="Loading the image")).to_have_count(0)
    view.canvas.click()  # in its middle, once it stays where it is
    expect(view.findings.get_by_role("row", selected=True)).to_contain_text("pose")
    before = view.canvas.screenshot()
    view.finding("triangle").click()
    expect(view.findings.get_by_role("row", selected=True)).to_contain_text("triangle")
    eventually(lambda: view.canvas.screenshot() != before, "another mark on the image")


def test_the_confidence_slider_takes_out_what_is_less_sure(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.add(ASTRONAUT)
    view.run()
    expect(view.finding("box 1")).to_be_visible()
    slider = page.get_by_role("slider", name="Confidence at least")
    for _ in range(65):
        slider.press("ArrowRight")
    expect(view.finding("box 1")).to_have_count(0)
    expect(view.finding("triangle")).to_have_count(0)
    expect(view.finding("written")).to_be_visible()
    expect(page.get_by_role("tab", name="Findings")).to_contain_text("4 of 6")


def test_options_are_filled_in_a_form_and_reach_the_plugin(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.options("drawing")
    page.get_by_role("textbox", name="Boxes").fill("7")
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="back").click()
    page.get_by_role("combobox", name="Words").fill("one")
    page.keyboard.press("Enter")
    area = page.get_by_role("group", name="Area")
    area.get_by_role("textbox", name="Name").fill("left")
    area.get_by_role("textbox", name="Margin").fill("12")
    view.add(ASTRONAUT)
    view.run()
    expect(view.outcome("drawing")).to_contain_text("11 findings")
    result = json.loads(view.download("JSON, as"))["results"][0]
    assert result["options"] == {
        "boxes": 7,
        "order": "back",
        "words": ["one"],
        "area": {"name": "left", "margin": 12},
    }
    assert result["result"]["area"] == "left 12"
    assert result["result"]["boxes"][0]["label"] == "box 6"


def test_an_option_out_of_range_is_told_at_its_field_and_nothing_is_sent(page: Page, page_server: RunningServer):
    before = page_server.row("drawing")["error_count"]
    view = AnalyzeView(page).open("drawing")
    view.add(ASTRONAUT)
    view.options("drawing")
    page.get_by_role("textbox", name="Least").fill("7")
    expect(page.get_by_text("At most 1.")).to_be_visible()
    expect(page.get_by_text("Mend the options of drawing.")).to_be_visible()
    expect(view.run_button).to_be_disabled()
    page.get_by_role("textbox", name="Least").fill("0.5")
    expect(page.get_by_text("At most 1.")).to_have_count(0)
    view.run()
    expect(view.outcome("drawing")).to_contain_text("6 findings")
    assert page_server.row("drawing")["error_count"] == before


def test_the_results_can_be_saved_in_every_form(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.add(ASTRONAUT, QR_CODE)
    view.run()
    rows = list(csv.DictReader(io.StringIO(view.download("CSV, a row").decode())))
    assert [row["label"] or row["text"] for row in rows] == ["box 0", "box 1", "triangle", "written", "drawing", "pose"]
    coco = json.loads(view.download("COCO, for"))
    assert (coco["images"][0]["width"], coco["images"][0]["height"]) == (512, 512)
    assert coco["annotations"][0]["bbox"] == [0, 0, 409.6, 204.8]
    with Image.open(io.BytesIO(view.download("PNG, with"))) as drawn, Image.open(ASTRONAUT) as photo:
        assert drawn.size == photo.size
        assert drawn.convert("RGB").tobytes() != photo.convert("RGB").tobytes()
    everything = json.loads(view.download("JSON", nth=1))
    assert [one["image"] for one in everything] == ["astronaut.jpg", "qr-code.png"]


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_call_can_be_copied_and_gives_the_same_result(page: Page, language: str):
    view = AnalyzeView(page).open("typed")
    view.options("typed")
    page.get_by_role("textbox", name="Tag").fill('it\'s "so" $HOME')
    view.add(ASTRONAUT)
    view.run()
    view.tab("Call")
    page.get_by_role("radiogroup", name="Language").get_by_text(language, exact=True).click()
    text = page.locator("pre").inner_text()
    command = ["sh", "-c", text] if language == "curl" else [sys.executable, "-c", text]
    printed = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, check=True, timeout=60).stdout
    answer = json.loads(printed)
    result = answer["result"] if language == "curl" else answer
    assert result["tag"] == 'it\'s "so" $HOME'
    assert (result["width"], result["height"]) == (512, 512)


def green(image: Image.Image, at: tuple[int, int]) -> int:
    """How green a pixel of an RGB image is, 0 to 255."""
    pixel = image.getpixel(at)
    assert isinstance(pixel, tuple)
    return pixel[1]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_an_image_lies_under_its_results_whichever_way_the_camera_was_held(page: Page, kind: str, orientation: int):
    stored = Image.new("RGB", (60, 40), "white")
    stored.paste((255, 0, 0), (0, 0, 30, 20))  # the upper left quarter, as stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    stored.save(out, kind.upper(), exif=exif, quality=95, lossless=kind == "webp")
    view = AnalyzeView(page).open("echo")
    view.add((f"held.{kind}", out.getvalue()))
    view.run()
    with Image.open(io.BytesIO(view.download("PNG, with"))) as drawn:
        upright = drawn.convert("RGB")
    assert upright.size == ((40, 60) if orientation == 6 else (60, 40))
    red = (upright.width - 5, 5) if orientation == 6 else (upright.width - 5, upright.height - 5)
    assert green(upright, red) < 60
    assert green(upright, (5, 5)) > 200


def test_a_tiff_is_analyzed_though_browsers_do_not_show_it(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.add(("scan.tif", encoded("tiff", 300, 200)))
    expect(page.get_by_text("Browsers do not show TIFF.")).to_be_visible()
    view.run()
    expect(view.finding("triangle")).to_be_visible()
    assert json.loads(view.download("COCO, for"))["images"][0]["file_name"] == "scan.tif"


def test_images_are_pasted_and_dropped(page: Page):
    view = AnalyzeView(page).open("echo")
    content = list(encoded("png"))
    make = "const t = new DataTransfer(); t.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'}));"
    page.evaluate(
        f"([bytes, name]) => {{ {make} window.dispatchEvent(new ClipboardEvent('paste', {{clipboardData: t}})); }}",
        [content, "pasted.png"],
    )
    expect(view.image("pasted.png")).to_be_visible()
    page.evaluate(
        f"([bytes, name]) => {{ {make} for (const type of ['dragenter', 'dragover', 'drop']) document.querySelector("
        "'main h1').parentElement.dispatchEvent(new DragEvent(type, {dataTransfer: t, bubbles: true})); }",
        [content, "dropped.png"],
    )
    expect(view.image("dropped.png")).to_be_visible()


def test_the_colours_that_were_chosen_are_kept(page: Page):
    page.goto("/")
    for _ in range(2):
        page.get_by_role("button", name="Colours:").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
