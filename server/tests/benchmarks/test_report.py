"""The table and the plot show given figures, with right ratios, and say what is missing or wrong."""

from xml.etree import ElementTree

import pytest

from benchmarks.load import Load
from benchmarks.peers.figures import Case, Figures, Sample, Server, Setting, read, save
from benchmarks.peers.plot import render_plot
from benchmarks.peers.processes import Memory
from benchmarks.peers.report import render_page
from benchmarks.server_profile import count_samples, render_shares

NULL, STATS = Case("null", "JSON", 16), Case("stats", "JSON", 16)


@pytest.fixture
def figures() -> Figures:
    """Two rounds: Sightgate is 2 and 3 times as fast as LitServe, and half as fast at `stats` as the floor."""
    setting = Setting("A machine, 2 cores", "3.11", "wrk", 2, 1.5, 4.0, 150_000)
    servers = [
        Server("sightgate", "Sightgate", "sightgate-server 1"),
        Server("litserve", "LitServe", "litserve 2"),
        Server("mlserver", "MLServer", left_out="it could not be installed"),
    ]
    rates = {"sightgate": (2000.0, 3000.0), "litserve": (1000.0, 1000.0)}
    samples = [
        Sample(name, turn, NULL, Load(rate, 5.0, 9.0 + turn, 1000, 0))
        for name, both in rates.items()
        for turn, rate in enumerate(both)
    ]
    samples.append(Sample("sightgate", 0, STATS, Load(15.0, 600.0, 700.0, 60, 0)))
    memory = {"sightgate": [Memory(150.0, True)], "litserve": [Memory(260.4, False)]}
    return Figures(setting, servers, samples, memory, [30.0])


def line(page: str, start: str) -> str:
    return next(row for row in page.splitlines() if row.startswith(start))


def section(page: str, heading: str) -> str:
    return page.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_a_ratio_is_the_median_of_the_rounds_with_their_range(figures):
    table = section(render_page(figures, "plot.svg"), "`null`, JSON")
    assert line(table, "| LitServe") == "| LitServe | 1000 | 5.0 / 9.5 | 2.50 (2.00–3.00) |"
    assert line(table, "| **Sightgate**") == "| **Sightgate** | 2500 | 5.0 / 9.5 | – |"


def test_the_real_plugin_is_told_as_a_share_of_the_floor(figures):
    page = render_page(figures, "plot.svg")
    assert line(section(page, "`stats`, JSON"), "| **Sightgate**").endswith("| 50% |")
    assert "30.0/s | 0.50 | ≥ 0.95 |" in section(page, "In short")


def test_a_peer_that_could_not_be_measured_is_named_with_the_reason(figures):
    page = render_page(figures, "plot.svg")
    assert "- MLServer is left out: it could not be installed." in page
    assert "| MLServer" not in page


def test_wrong_answers_are_marked_and_told(figures):
    figures.samples.append(Sample("litserve", 2, NULL, Load(900.0, 5.0, 9.0, 90, 10)))
    table = section(render_page(figures, "plot.svg"), "`null`, JSON")
    assert "| 1000 * |" in line(table, "| LitServe")
    assert "\\* LitServe, c16: 10 of 2100 answers were wrong or missing." in table


def test_a_server_without_a_right_answer_has_no_figure(figures):
    figures.samples.append(Sample("litserve", 0, STATS, Load(0.0, 0.0, 0.0, 0, 16)))
    table = section(render_page(figures, "plot.svg"), "`stats`, JSON")
    assert line(table, "| LitServe") == "| LitServe | no right answer | – | – | – |"


def test_memory_that_could_not_be_read_exactly_says_so(figures):
    page = render_page(figures, "plot.svg")
    assert line(section(page, "Memory"), "| LitServe") == "| LitServe | ≤ 260 |"
    assert line(section(page, "Memory"), "| **Sightgate**") == "| **Sightgate** | 150 |"


def test_figures_are_the_same_after_being_kept(figures, tmp_path):
    save(figures, tmp_path / "figures.json")
    assert read(tmp_path / "figures.json") == figures


def test_the_plot_is_a_picture_with_bars_to_scale(figures):
    figures.servers[1] = Server("litserve", "Lit & Serve", "litserve 2")
    picture = ElementTree.fromstring(render_plot(figures))
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Sightgate", "Lit & Serve", "2500", "1000", "260"} <= set(texts)
    bars = [bar for bar in picture.iter("{http://www.w3.org/2000/svg}rect") if bar.get("x")]
    widths = [float(bar.attrib["width"]) for bar in bars[:2]]
    assert widths[1] / widths[0] == pytest.approx(1000 / 2500, rel=0.01)


def test_the_plot_of_no_figures_is_an_empty_picture(figures):
    figures.samples.clear()
    assert ElementTree.fromstring(render_plot(figures)).tag.endswith("svg")


def test_a_profiles_sample_counts_for_the_innermost_module_of_ours():
    stacks = (
        "main (app/cli/server.py:9);call (app/api/direct.py:1);dumps (json/encoder.py:7) 3\n"
        "main (app/cli/server.py:9);_run (uvicorn/server.py:5) 1\n"
    )
    counted = count_samples(stacks)
    assert counted == {"app/api/direct.py": 3, "uvicorn, FastAPI, event loop": 1}
    assert "| `app/api/direct.py` | 75.0% |" in render_shares(counted)
