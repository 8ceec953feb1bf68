"""The page in a real browser: nothing fails, everything moves, and it fits a phone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from icl.analysis.claims import judge
from icl.analysis.figures.formats import to_files
from icl.analysis.report.page import make_page

from ..synthetic import make_sweep, without
from .test_report import CLAIMS, MISSING

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def find_chromium() -> str | None:
    """The system's, or that of `playwright install chromium`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    with playwright.sync_playwright() as manager:
        own = manager.chromium.executable_path
    return own if Path(own).exists() else None


CHROMIUM = find_chromium()
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: install it, or call playwright install chromium"
)

NAMES = [f"network {letter}" for letter in "abcdefghijkl"]
DRAWN = "document.querySelectorAll('.js-plotly-plot .main-svg').length > 0"
# What is drawn: first values of all traces of a kind of figure.
TRACES = """kind => [...document.querySelectorAll(`.plots.${kind} .js-plotly-plot`)].map(plot =>
    plot.data.map(trace => JSON.stringify([trace.name, trace.z || trace.y])))"""
WIDTHS = """[document.documentElement.scrollWidth, window.innerWidth,
    ...[...document.querySelectorAll('.js-plotly-plot svg.main-svg')].map(
        svg => svg.getBoundingClientRect().right)]"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    sweeps = {
        "synthetic": without(make_sweep(claims=CLAIMS), **MISSING),
        "networks": make_sweep({"model.kind": NAMES, "n": [1, 10, 100]}),
        "single": make_sweep({}, num_seeds=1),
        "task": make_sweep({}).sel(condition=["no_support"]),
        "in context": make_sweep({}).sel(condition=["fewshot_holdout"]),
    }
    verdicts = {name: judge(sweep) for name, sweep in sweeps.items()}
    path = folder / "report.html"
    pictures = {"cells/0f": to_files(Figure((2, 1)))["png"]}
    path.write_text(make_page(sweeps, verdicts, pictures, {"figures": "figures"}))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as manager:
        chromium = manager.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, address: str, size: str) -> Iterator[Any]:
    """Open the page on a desktop or a phone; at the end nothing may have gone wrong."""
    width, height = SIZES[size]
    is_phone = size == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=is_phone, is_mobile=is_phone
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda sent: wrong.append(f"failed: {sent.url[:200]}"))
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    page.goto(address)
    page.wait_for_function(DRAWN)
    yield page
    assert wrong == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [address]
    context.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page of a test's own, which it may change."""
    with opened(browser, address, "desktop") as page:
        yield page


@pytest.fixture(params=SIZES, scope="module")
def read_page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """A page that several tests read, because drawing it takes seconds."""
    with opened(browser, address, request.param) as page:
        yield page


def move_slider(page: Any, place: int) -> None:
    page.locator('[data-control="step"]').first.evaluate(
        "(slider, place) => { slider.value = place; slider.dispatchEvent(new Event('input')); }",
        place,
    )
    page.evaluate("new Promise(requestAnimationFrame)")
    page.wait_for_timeout(100)


def test_nothing_is_wider_than_the_screen(read_page: Any):
    page_width, screen, *rights = read_page.evaluate(WIDTHS)
    assert page_width <= screen
    assert max(rights) <= screen + 1
    read_page.locator("details").first.locator("summary").click()
    assert read_page.evaluate(WIDTHS)[0] <= screen


@pytest.mark.parametrize("size", SIZES)
def test_the_slider_moves_effects_and_phase_diagrams(browser: Any, address: str, size: str):
    with opened(browser, address, size) as page:
        check_slider(page)


def check_slider(page: Any) -> None:
    before = {kind: page.evaluate(TRACES, kind) for kind in ("curves", "effects", "phases")}
    move_slider(page, 0)
    assert page.locator("output").first.inner_text() == "500"
    after = {kind: page.evaluate(TRACES, kind) for kind in before}
    for kind in ("effects", "phases"):
        assert after[kind][0] != before[kind][0], kind
        assert after[kind][-1] == before[kind][-1], f"{kind}: the slider of another sweep"
    assert after["curves"] == before["curves"]
    [line] = page.evaluate("document.querySelector('.curves .js-plotly-plot').layout.shapes")
    assert line["x0"] == 500


def test_conditions_and_metrics_can_be_chosen(page: Any):
    section = page.locator("section").first
    curves = section.locator(".plots.curves .js-plotly-plot")
    assert curves.count() == 2
    section.locator("[data-condition]").nth(1).check()
    assert curves.count() == 3
    assert section.locator(".plots.phases .js-plotly-plot").count() == 3
    for i in range(3):
        section.locator("[data-condition]").nth(i).click()
    assert curves.count() == 1  # one always stays
    before = page.evaluate(TRACES, "curves")[0]
    section.locator('[data-control="metric"]').select_option("loss")
    assert page.evaluate(TRACES, "curves")[0] != before
    section.locator('[data-control="lines"]').select_option("1")
    names = "document.querySelector('.curves .js-plotly-plot').layout.legend.title.text"
    assert page.evaluate(names) == "data.zipf_exponent"


def test_a_point_tells_its_numbers_under_the_pointer(read_page: Any):
    plot = read_page.locator(".curves .js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    box = plot.locator(".nsewdrag").first.bounding_box()
    read_page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    read_page.wait_for_function(
        "[...document.querySelectorAll('.hoverlayer text')].some(text => text.textContent)"
    )
    text = " ".join(plot.locator(".hoverlayer text").all_text_contents())
    assert any(character.isdigit() for character in text)


def test_phase_diagrams_have_lines_and_the_cells_that_were_sampled(read_page: Any):
    plots = read_page.evaluate(
        """[...document.querySelectorAll('.phases .js-plotly-plot')].map(plot => plot.data.map(
            trace => [trace.type, trace.mode, (trace.marker || {}).symbol,
                trace.contours && trace.contours.start, trace.contours && trace.contours.end]))"""
    )
    for traces in plots[:2]:  # over two knobs, 6 x 5 cells, of which one is missing
        kinds = [kind for kind, *_ in traces]
        assert "heatmap" in kinds
        lines = [ends for kind, _, _, *ends in traces if kind == "contour"]
        assert lines == [[0.25, 0.75]] * 2  # white, on a black one that is wider
        (symbols,) = (symbols for _, mode, symbols, *_ in traces if mode == "markers")
        assert sorted(map(symbols.count, set(symbols))) == [1, 29]


def test_names_have_no_line_between_them_and_are_all_shown(read_page: Any):
    named, numbered = read_page.locator("section").nth(1).locator(".effects .js-plotly-plot").all()
    modes = (
        "plot => [...new Set(plot.data.filter(of => of.showlegend !== false).map(of => of.mode))]"
    )
    assert named.evaluate(modes) == ["markers"]
    assert numbered.evaluate(modes) == ["lines+markers"]
    assert set(named.locator(".xtick text").all_text_contents()) == set(NAMES)
    chance = "plot => plot.data.filter(of => of.line && of.line.dash === 'dot').map(of => of.x)"
    assert all(None in places for places in named.evaluate(chance))  # a piece for each name


def test_a_choice_of_accuracies_is_offered_where_conditions_differ_in_theirs(read_page: Any):
    offered = [
        select.locator("option").first.get_attribute("value")
        for select in read_page.locator('[data-control="metric"]').all()
    ]
    assert offered == ["own", "own", "own", "accuracy", "accuracy_in_context"]


def test_pictures_are_shown_and_the_page_can_be_printed(page: Any, tmp_path: Path):
    pictures = page.locator("img[src^='data:image/png']")
    assert pictures.count() >= 1
    assert pictures.evaluate_all("all => all.every(image => image.naturalWidth > 100)")
    page.emulate_media(media="print")
    unchecked = page.locator("label:has(input[type=checkbox]:not(:checked))").first
    assert not unchecked.is_visible()  # what is not shown is not offered on paper
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    assert len(content) > 20_000


def test_the_overview_leads_to_the_sections(page: Any):
    images = page.locator(".panels img")
    assert images.count() == 5
    assert images.evaluate_all("all => all.every(image => image.naturalWidth > 0)")
    page.locator(".panels a").nth(1).click()
    top = "document.getElementById('networks').getBoundingClientRect().top"
    page.wait_for_function(f"Math.abs({top}) < window.innerHeight")
    assert page.evaluate("location.hash") == "#networks"
    rows = page.locator("table.compact tbody tr")
    assert rows.count() == len(CLAIMS)
    assert rows.first.locator("a").get_attribute("href") == "#synthetic"
