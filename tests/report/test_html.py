"""The HTML page: valid, self-contained, harmless, honest."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from rmsmp_hls.report.html import to_html
from rmsmp_hls.report.model import Report
from tests.report.conftest import HOSTILE_NAMES

VOID = {"meta", "br", "img", "link", "rect", "path", "input", "hr"}
ALL_REPORTS = ["sample_report", "bare_report", "hostile_report"]


class Page(HTMLParser):
    """The elements of a page; checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(params=ALL_REPORTS)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(to_html(request.getfixturevalue(request.param)))


def test_the_page_is_accessible(page: Page) -> None:
    """Language, title, viewport, one first heading, named sections, headed columns."""
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(section["aria-labelledby"] in ids for section in page.all("section"))
    assert all(cell["scope"] == "col" for cell in page.all("th"))
    assert all(svg["aria-hidden"] == "true" for svg in page.all("svg"))
    assert all(a["aria-label"] for _, a in page.elements if a.get("role") == "region")


def test_the_page_needs_nothing_from_outside(page: Page) -> None:
    """No script, no link, no image, no address; the policy forbids them too."""
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not {"src", "href", "style", "srcset"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    policy = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0]["content"].startswith("default-src 'none'")


def test_hostile_names_are_text(hostile_report: Report) -> None:
    """Whatever a layer is called, the page has the elements of the page with plain names."""
    text = to_html(hostile_report)
    shown = "".join(Page(text).texts)
    assert "<script>alert(1)</script>" in shown
    assert "<script" not in text
    assert "{{ 7 * 7 }}" in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)


def test_a_long_name_is_shortened_and_kept_in_the_title(hostile_report: Report) -> None:
    """No visible word of a table or picture is long; the title attribute has all of it."""
    page = Page(to_html(hostile_report))
    assert {"title": HOSTILE_NAMES[3], "class": "bar-name"} in page.all("span")
    assert any(cell.get("title") == HOSTILE_NAMES[3] for cell in page.all("td"))
    cells = [t for t in page.texts if t.startswith("block.block") and "…" not in t]
    assert all(text == HOSTILE_NAMES[3] for text in cells)  # the commands: these scroll


def test_bars_have_the_width_of_their_share(sample_report: Report) -> None:
    """A bar of 55.2 % is 55.2 wide."""
    widths = [rect["width"] for rect in Page(to_html(sample_report)).all("rect")]
    assert "55.17" in widths
    assert all(0 <= float(width) <= 100 for width in widths)


def test_the_row_map_has_every_row_once(sample_report: Report) -> None:
    """The strips of a layer cover its rows without a gap, in the colours of their formats."""
    paths = Page(to_html(sample_report)).all("path")
    covered: dict[str, int] = {}
    for path in paths:
        runs = [int(n) for n in re.findall(r"M\d+ 0h(\d+)v1", path["d"])]
        covered[path["class"]] = covered.get(path["class"], 0) + sum(runs)
    rows = sample_report.rows
    assert covered == {"shift": rows.shift_add, "fixed4": rows.fixed4, "fixed8": rows.fixed8}


def test_figures_that_nobody_has_are_not_made_up(bare_report: Report) -> None:
    """The page says so in words; no tile holds a digit."""
    text = "".join(Page(to_html(bare_report)).texts)
    assert "Not checked by C simulation" in text
    assert "not measured" in text
    assert text.count("Not modelled.") == 2
    tiles = re.findall(r'class="figure">([^<]*)<', to_html(bare_report))
    assert tiles == ["not measured", "–", "–", "–", "–", "–"]


def test_modelled_figures_say_so(sample_report: Report) -> None:
    """Every section of modelled figures carries the badge."""
    text = to_html(sample_report)
    for key in ("resources", "performance", "layers"):
        section = text[text.index(f'<section id="{key}"') :]
        assert '<span class="origin modelled">modelled</span>' in section[:600]
