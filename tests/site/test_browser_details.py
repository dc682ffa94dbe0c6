"""The site's pages in a browser: numbers as they are printed, what an address names, focus, words.

Documents of the example are changed for a test, so that they say what a board of prompts, of one
seed or of tiny numbers says.
"""

import json
import shutil

import pytest
from site_example import METHODS, build
from site_visit import CHROMIUM, NO_BROWSER, Visit

from persongen_bench.site.script import read_script
from persongen_bench.util.spreadsheet import cell

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)
pytest.importorskip("playwright.sync_api")

TASTE, MINUS = "true-taste", "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    build(root)
    return root


@pytest.fixture
def changed(browser, site, tmp_path):
    """A visit to the example after changes: document of board ``plain`` to what is done to it."""
    made = []

    def start(route, changes, **options):
        shutil.copytree(site, tmp_path / "site")
        for name, change in changes.items():
            path = tmp_path / "site" / "data" / "plain" / f"{name}.js"
            if change is None:
                path.unlink()
                continue
            key, content = read_script(path.read_bytes())
            change(content)
            text = f"PGBENCH.put('{key}',JSON.parse({json.dumps(json.dumps(content))}));\n"
            path.write_text(text, encoding="utf-8")
        made.append(Visit(browser, tmp_path / "site", **options))
        made[-1].go(route)
        return made[-1]

    yield start
    for one in made:
        one.context.close()


def test_the_boards_own_test_is_of_its_first_row(changed):
    """A shared first rank does not make the second row the one that the others were tested with."""

    def share(board):
        board["standings"]["methods"][1]["rank"] = 1

    tab = changed("#/board/plain/compare?a=mean-embedding&b=pigeon", {"board": share})
    facts = tab.page.locator("main > .facts")
    assert "standard error over people" in facts.inner_text()
    tab.go("#/board/plain/compare?a=pigeon&b=rebeca")
    assert "p (Holm)" in facts.inner_text()


@pytest.mark.parametrize(("metric", "sign"), [("copy-rate", 1), (TASTE, -1)])
def test_people_stand_from_the_best_of_one_to_the_best_of_the_other(visit, metric, sign):
    page = visit(f"#/board/plain/compare?a=rebeca&b=pigeon&metric={metric}").page
    texts = page.locator(".two tbody td:last-child").all_inner_texts()
    differences = [sign * float(text.replace(MINUS, "-")) for text in texts]
    assert differences == sorted(differences)


def _of_prompts(board):
    board["unit"] = "prompt"


def _one_prompt(pictures):
    for user, own in pictures["users"].items():
        for picture in own:
            picture["unit"] = "user-03/ä" if user.startswith("user-00") else "a red bridge"


def test_a_board_of_prompts_speaks_of_prompts(changed):
    changes = {"board": _of_prompts, "pictures-0": _one_prompt, "pictures-2": _one_prompt}
    tab = changed("#/board/plain", changes)
    page = tab.page
    head = page.locator("header.head").inner_text()
    assert "3 particular prompts of 16" in head
    assert "prompts 16" in head
    assert page.locator("[aria-label='16 prompts, 64 of 64 pictures']").count() > 0
    title = page.locator(".stack.number").first.get_attribute("title")
    assert "16 prompts" in title
    tab.go("#/board/plain/compare?a=rebeca&b=pigeon&user=user-03%2F%C3%A4")
    shown = page.locator("#pair").inner_text()
    assert "user-00/ä" not in shown, "of one person: it tells nothing apart"
    assert page.locator("#pair a.shot").count() == 8
    assert "A: rebeca" in shown
    assert page.locator(".two caption").inner_text().startswith("All prompts")
    tab.go("#/board/plain/gallery?row=rebeca")
    page.locator("table.gallery tbody tr").first.wait_for()
    assert "user-03/ä" in page.locator("table.gallery tbody th").first.inner_text()
    assert "a red bridge" in page.locator("table.gallery tbody").inner_text()


def _two_requests(pictures):
    for own in pictures["users"].values():
        own[1]["request"], own[2]["seed"] = "1", 1


def _two_captions(people):
    for person in people["people"]:
        person["requests"], person["captions"] = ["0", "1"], ["a quiet street", "a loud harbour"]
        person["references"] = ["", ""]


def test_requests_and_seeds_are_told_apart(changed):
    changes = {"pictures-0": _two_requests, "pictures-2": _two_requests, "people": _two_captions}
    tab = changed("#/board/plain/gallery?row=rebeca&user=user-01%2F%C3%A4", changes)
    tab.page.locator("table.gallery tbody tr").first.wait_for()
    heads = "\n".join(tab.page.locator("table.gallery tbody th").all_inner_texts())
    for words in ("a quiet street, seed 0", "a quiet street, seed 1", "a loud harbour, seed 0"):
        assert words in heads
    tab.go("#/board/plain/compare?a=rebeca&b=pigeon&user=user-01%2F%C3%A4")
    assert "a loud harbour, seed 0" in tab.page.locator("#pair").inner_text()


@pytest.mark.parametrize(("route", "said"), [
    ("compare?a=gone&b=pigeon", "There is no row gone here."),
    ("compare?a=rebeca&b=pigeon&user=nobody", "There is no person nobody here."),
    ("gallery?row=gone&row=pigeon", "There is no row gone here."),
    ("gallery?user=nobody", "There is no person nobody here."),
])  # fmt: skip
def test_what_is_gone_is_said(visit, route, said):
    page = visit(f"#/board/plain/{route}").page
    assert page.locator("p.warning").all_inner_texts() == [said]


def test_a_place_is_no_label(changed):
    """A row that is called 0 is not the first row; of two rows of one name the place tells."""

    def call(board):
        for k, label in enumerate(("twice", "twice", "0")):
            board["rows"][k]["label"] = board["standings"]["methods"][k]["label"] = label

    tab = changed("#/board/plain/compare?a=~0&b=0", {"board": call})
    assert tab.page.locator("#choice-a").input_value() == "~0"
    assert tab.page.locator("#choice-b").input_value() == "0"
    assert tab.page.locator("#choice-b option:checked").inner_text() == "0"
    assert tab.page.locator("p.warning").count() == 0


def test_rows_that_a_plot_leaves_out_are_counted(changed):
    def free(board):
        for row in board["standings"]["methods"][:3]:
            row["cost"]["seconds_per_image_p50"] = 0

    page = changed("#/board/plain", {"board": free}).page
    page.locator("figure", has=page.locator("#choice-cost")).scroll_into_view_if_needed()
    left = page.locator(".left-out").first
    left.wait_for()
    assert left.inner_text() == "4 rows with 0 or no number are not drawn."


def _interval(page):
    line = page.locator("#board-table .tabulator-row").first.locator(".range").first
    return float(line.get_attribute("x2")) - float(line.get_attribute("x1"))


def test_a_reported_number_shrinks_no_interval(visit, changed):
    usual = _interval(visit("#/board/plain").page)

    def outlier(board):
        board["standings"]["reported"][0]["rows"][0]["metrics"][TASTE] = 90.0

    page = changed("#/board/plain", {"board": outlier}).page
    assert _interval(page) == pytest.approx(usual)
    assert page.locator(".kind-reported svg path").count() == 1, "an arrow to where it is"


def test_no_digit_is_invented_and_none_is_lost(visit):
    page = visit("#/").page
    shorts = {
        "88030.9, 4": "88,031",
        "1234567.2": "1,234,567",
        "0.012345": "0.0123",
        "999.6": "1,000",
        "-1234.6, 4": f"{MINUS}1,235",
        "12.34": "12.3",
    }
    for given, said in shorts.items():
        assert page.evaluate(f"PGBENCH.short({given})") == said
    numbers = {
        "0.0004": "<0.001",
        "-0.0004": f">{MINUS}0.001",
        "0": "0.000",
        "-0.0006": f"{MINUS}0.001",
        "12345.6": "12,345.600",
        "null": "\N{EN DASH}",
    }
    for given, said in numbers.items():
        column = "{ exponent: 0, decimals: 3 }"
        assert page.evaluate(f"PGBENCH.number({given}, {column})") == said


def test_bounds_are_of_what_is_printed(visit):
    tab = visit("#/board/plain?where=true-taste%3E%3D0.822")
    assert "rebeca" in tab.labels(), "its 0.82156612 is printed 0.822"
    tab.go("#/board/plain?where=nothing%3E%3D3&hide=whatever&hide=method&without=constructor")
    chips = tab.page.locator(".chip").all_inner_texts()
    assert [chip[:-2] for chip in chips] == ["only complete rows (1 hidden)"]


def test_a_spreadsheet_reads_no_formula_of_any_kind(visit):
    """As `util.spreadsheet.cell`, from whose rule the page's is copied."""
    begins = ["=", "+", "-", "@", "|", "%", MINUS, *map(chr, (0xFF1D, 0xFF0B, 0xFF0D, 0xFF20)),
              *map(chr, (0xFE62, 0xFE63, 0xFE66, 0xFE6B)), "a", "1", "(", "#"]  # fmt: skip
    texts = [before + one + "1" for one in begins for before in ("", " ", "'", "`", " '")]
    page = visit("#/").page
    lines = page.evaluate("(texts) => texts.map((one) => PGBENCH.csv([one], []))", texts)
    for text, line in zip(texts, lines, strict=True):
        expected = f"'{text}" if cell(text) == f"'{text.strip()}" else text
        assert line == f"{expected}\n"


def _focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.className")


def test_the_keyboard_stays_where_it_was(visit):
    tab = visit("#/board/plain/compare")
    page = tab.page
    page.locator("#choice-a").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("h1 >> text=pigeon against")
    tab.shown()
    assert _focused(page) == "choice-a"
    tab.go("#/board/plain")
    page.get_by_text("Filters", exact=True).click()
    box = page.get_by_role("checkbox", name="anchors")
    box.focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.value") == "anchor"
    page.keyboard.press("Escape")
    page.locator(".chip").first.focus()
    page.keyboard.press("Enter")
    assert _focused(page) == "chip", "the next one"
    page.keyboard.press("Enter")
    assert _focused(page) == "search"


def test_methods_of_the_gallery_are_ticked_in_place(visit):
    tab = visit("#/board/plain/gallery?row=rebeca")
    page = tab.page
    page.get_by_text("Methods (1)").click()
    page.get_by_label("pigeon").check()
    page.wait_for_selector("thead >> text=pigeon")
    tab.shown()
    assert page.locator("#methods").get_attribute("open") is not None
    assert _focused(page) == "row-2"
    for name in ("pigeon", "rebeca"):
        page.get_by_label(name, exact=True).click()
        tab.shown()
    page.wait_for_selector("text=No row is chosen.")
    assert page.locator("table.gallery").count() == 0
    page.get_by_label("oracle").check()
    page.wait_for_selector("thead >> text=oracle")


def test_a_tap_shows_the_number_in_full(visit):
    page = visit("#/board/plain", viewport={"width": 390, "height": 844}, has_touch=True).page
    page.locator(".stack.number .figure").first.tap()
    hint = page.locator(".hint")
    assert hint.is_visible()
    assert hint.inner_text().startswith("0.82156612")
    box = hint.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    named = page.evaluate(
        """[...document.querySelectorAll("span[aria-label]:not([role])")].length"""
    )
    assert named == 0, "what has a name has a role"


@pytest.mark.parametrize("name", ["Filters", "Columns"])
def test_menus_fit_on_a_phone(visit, name):
    page = visit("#/board/plain", viewport={"width": 390, "height": 844}).page
    page.get_by_text(name, exact=True).click()
    box = page.locator("details[open] .menu-body").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_and_places_stand_out(visit, scheme):
    """At least 3:1 from the page (WCAG 2.2, 1.4.11)."""
    page = visit("#/board/plain", color_scheme=scheme).page
    paper = _shade(page, "body", "backgroundColor")
    marks = (("#search", "borderTopColor"), ("#rows", "borderTopColor"), ("svg .places", "stroke"))
    for where, what in marks:
        assert _contrast(_shade(page, where, what), paper) >= 3, where


def _shade(page, where, what):
    found = page.evaluate(f"getComputedStyle(document.querySelector('{where}')).{what}")
    opacity = page.evaluate(f"getComputedStyle(document.querySelector('{where}')).opacity")
    assert opacity == "1"
    return [int(part) for part in found.partition("(")[2].rstrip(")").split(",")[:3]]


def _contrast(*shades):
    def light(shade):
        parts = [v / 255 for v in shade]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(light, shades))
    return (high + 0.05) / (low + 0.05)


def test_a_file_that_is_missing_is_named(changed):
    tab = changed("#/board/plain/compare?a=rebeca&b=pigeon", {"pictures-0": None})
    said = "The pictures of rebeca are not here or cannot be read."
    assert said in tab.page.locator("#pair").inner_text()
    assert tab.page.locator("#pair a.shot").count() == 4, "those of the other are shown"
    tab.go("#/board/plain/user/user-01%2F%C3%A4")
    tab.page.wait_for_selector(f".by-method >> text={said}")
    tab.go("#/board/plain/gallery")
    assert said in tab.page.locator("main").inner_text()


def test_chosen_rows_stay_chosen(visit):
    tab = visit("#/board/plain")
    page = tab.page
    for name in ("rebeca", "pigeon"):
        page.get_by_label(f"Choose {name} to compare").check()
    page.get_by_label("Search methods").fill("keywords")
    page.wait_for_selector(".chip >> text=search: keywords")
    page.get_by_label("Remove filter: search: keywords").click()
    tab.until("document.querySelectorAll('input.pick:checked').length === 2")
    page.get_by_label("Choose keywords to compare").check()
    assert page.locator("input.pick:checked").count() == 2
    told = page.locator(".picked").inner_text()
    assert "Compare pigeon with keywords" in told
    assert "rebeca is no longer chosen" in told
    page.locator("#choice-cost").select_option("fit_seconds")
    assert "pick=pigeon&pick=keywords&cost=fit_seconds" in tab.route()
    tab.go(page.url.partition("index.html")[2])
    assert page.locator("#choice-cost").input_value() == "fit_seconds"
    assert page.locator("input.pick:checked").count() == 2


def test_marks_are_explained_in_words(visit):
    tab = visit("#/board/plain")
    text = tab.page.locator("ul.legend").inner_text()
    for words in ("Range, ties: the dot is the rank", "16 · 64: 16 people and 64 pictures", "†"):
        assert words in text
    tab.go("#/board/plain/gallery?row=nearest-item")
    text = tab.page.locator("ul.legend").inner_text()
    assert "coloured border: the picture repeats one of the data" in text
    assert "true taste" in text
    tab.go("#/")
    tab.page.wait_for_selector(".board-link >> nth=0 >> text=first: rebeca (tied with 2)")


def test_a_person_with_pictures_comes_first(visit):
    tab = visit("#/board/plain/compare?a=rebeca&b=pigeon")
    assert tab.page.locator("#pair a.shot").count() == 8
    tab.go("#/board/plain/people")
    assert tab.page.locator("a.person img").count() == 6
    assert tab.page.locator("a.person").nth(6).inner_text().endswith("no pictures here")


def test_a_site_without_an_audit_says_so_once(changed):
    def unaudited(board):
        board["audited"] = False
        for column in board["columns"]:
            column["audit"] = {}

    page = changed("#/board/plain", {"board": unaudited}).page
    text = page.evaluate("document.querySelector('main').textContent")
    assert text.count("without a metric audit") == 1
    assert "Not audited." not in text
    link = page.get_by_role("link", name="by person, all columns")
    assert link.get_attribute("href") == "downloads/plain.people.csv"


@pytest.mark.parametrize("name", ["constructor", "__proto__"])
def test_a_person_may_be_called_like_a_part_of_the_language(changed, name):
    def named(pictures):
        first = next(iter(pictures["users"]))
        pictures["users"][name] = pictures["users"].pop(first)

    def person(people):
        people["people"][0]["user"] = name

    def value(values):
        values["users"][0] = name

    rows = [f"pictures-{k}" for k in range(len(METHODS) + 3)]
    changes = {"people": person, "values-0": value} | dict.fromkeys(rows, named)
    tab = changed(f"#/board/plain/user/{name}", changes)
    tab.page.wait_for_selector(".by-method >> nth=0 >> .shot-card")
    tab.go(f"#/board/plain/compare?a=rebeca&b=pigeon&user={name}")
    assert tab.page.locator("#pair a.shot").count() == 8
    tab.go(f"#/board/plain/gallery?user={name}")
    tab.page.locator("a.shot").first.wait_for()
    assert tab.page.locator("table.gallery a", has_text=name).count() == 1
    tab.go("#/board/plain/user/toString")
    assert "there is no person toString" in tab.page.locator("main").inner_text()


def test_a_frozen_head_covers_what_scrolls_below_it(visit):
    page = visit("#/board/plain", viewport={"width": 390, "height": 844}).page
    shade = _shade(page, ".tabulator-header .tabulator-frozen", "backgroundColor")
    assert shade == _shade(page, "body", "backgroundColor")
