"""The site's pages in a browser, opened from the disk: what people do with a board."""

from __future__ import annotations

import csv
import json

import pytest
from site_example import ANCHORS, HOSTILE, METHODS, SCRIPT, build
from site_visit import CHROMIUM, NO_BROWSER, Visit

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)

NOTHING = "\N{EN DASH}"
USER = "user-01%2F%C3%A4"  # of user-01/ä in an address


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    build(root)
    return root


def test_the_first_page_lists_the_boards(visit):
    tab = visit("#/")
    assert tab.page.locator(".board-link").count() == 3
    tab.page.get_by_role("link", name="Nothing known").click()
    tab.shown()
    assert tab.page.locator("h1").inner_text() == "Nothing known"
    assert tab.route() == "#/board/bare"


def test_a_board_shows_its_rows_and_what_is_said_of_them(visit):
    page = (tab := visit("#/board/plain")).page
    complete = [name for name in METHODS if name != "lora-user"]
    assert tab.labels() == [*complete, *ANCHORS, "theirs"]
    text = page.locator("header.head").inner_text()
    assert "Without 3 particular people of 16, mean-embedding would be first." in text
    assert "release 1a2b3c4d" in text
    first = page.locator("#board-table .tabulator-row").first
    assert first.locator("svg[aria-label='rank 1, the data allow 1 to 3 of 12']").count() == 1
    assert first.locator("[aria-label='tie group a']").count() == 1
    figure = first.locator(".stack.number").first
    assert figure.locator(".figure").inner_text() == "0.822"
    assert "[0.77156612" in figure.locator(".unseen").inner_text()
    assert figure.get_attribute("title").startswith("0.82156612")
    assert "tasteworld dafb54a4 · 1a2b3c4d" in first.locator(".made").inner_text()
    assert page.locator("#board-table .badge.human").count() == 1


def test_a_click_on_a_head_sorts_and_the_keyboard_does_too(visit):
    page = (tab := visit("#/board/plain")).page
    head = page.locator(".tabulator-col", has_text="copy-rate")
    head.locator("button.sort").click()
    values = [float(t) for t in _column(page, "copy-rate") if t != NOTHING]
    assert values == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"
    assert "sort=copy-rate" in tab.route()
    head.locator("button.sort").focus()
    page.keyboard.press("Enter")
    values = _column(page, "copy-rate")
    numbers = [float(t) for t in values if t != NOTHING]
    assert numbers == sorted(numbers, reverse=True)
    assert values[-1] == NOTHING, "a row without the number stands last in both directions"
    assert "sorted by copy-rate, descending" in page.locator("#status").inner_text()


def _column(page, name):
    field = page.locator(".tabulator-col", has_text=name).get_attribute("tabulator-field")
    cells = page.locator(f"#board-table .tabulator-row .tabulator-cell[tabulator-field={field}]")
    return [text.split()[0] for text in cells.all_inner_texts()]


def test_search_and_filters_show_chips_that_undo_them(visit):
    page = (tab := visit("#/board/plain")).page
    page.get_by_label("Search methods").fill("item")
    page.wait_for_selector(".chip >> text=search: item")
    assert tab.labels() == ["nearest-item", "random-item"]
    page.get_by_label("Remove filter: search: item").click()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Bound").fill("0.7")
    page.get_by_role("button", name="Add filter").click()
    assert tab.labels() == ["rebeca", "mean-embedding", "pigeon", "theirs"]
    page.get_by_role("checkbox", name="reported rows").uncheck()
    page.keyboard.press("Escape")
    assert tab.labels() == ["rebeca", "mean-embedding", "pigeon"]
    assert "3 of 16 rows" in page.locator(".count").inner_text()
    for chip in ("true-taste ≥ 0.7", "no reported rows", "only complete rows (1 hidden)"):
        page.get_by_label(f"Remove filter: {chip}").click()
    assert len(tab.labels()) == len(METHODS) + len(ANCHORS) + 1
    assert page.locator(".chip").count() == 0


def test_columns_hide_and_come_back(visit):
    page = visit("#/board/plain").page
    head = page.locator(".tabulator-col", has_text="diversity")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("diversity", exact=True).uncheck()
    assert not head.is_visible()
    page.get_by_label("Remove filter: hidden: diversity").click()
    assert head.is_visible()


def test_an_address_restores_what_was_seen(visit):
    tab = visit(
        "#/board/plain?q=item&rows=all&hide=diversity&where=true-taste>=0.3&sort=true-taste"
    )
    address, labels = tab.page.url, tab.labels()
    assert labels == ["random-item", "nearest-item"]
    assert not tab.page.locator(".tabulator-col", has_text="diversity").is_visible()
    tab.go(address.partition("index.html")[2])
    assert tab.labels() == labels
    assert tab.page.get_by_label("Search methods").input_value() == "item"
    tab.page.get_by_role("link", name="Costs").click()
    tab.shown()
    tab.page.go_back()
    tab.shown()
    assert tab.labels() == labels


def test_what_was_done_is_in_the_address(visit):
    page = (tab := visit("#/board/plain")).page
    page.locator(".tabulator-col", has_text="true-taste").locator("button.sort").dblclick()
    page.get_by_label("Rows", exact=True).select_option("all")
    page.get_by_label("Search methods").fill("user")
    page.wait_for_selector(".chip >> text=search: user")
    labels = tab.labels()
    assert labels == ["wrong-user", "lora-user"]
    page.reload()
    tab.shown()
    assert tab.labels() == labels


def test_a_column_is_explained(visit):
    page = visit("#/board/plain").page
    page.get_by_role("button", name="About true-taste").click()
    text = page.locator("dialog").inner_text()
    for said in ("Does not show", "sha256:2f34390adee7b325", "0.91 [0.8, 0.97]", "ranks the board"):
        assert said in text
    page.keyboard.press("Escape")
    assert page.locator("dialog").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "About true-taste"


def test_plots_are_drawn_and_follow_the_filters(visit):
    page = (tab := visit("#/board/plain")).page
    for figure in page.locator("figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator("svg.pgplot").wait_for()
    forest = page.locator("svg.pgplot").first
    assert forest.get_attribute("aria-label").startswith("true-taste of 15 rows")
    assert page.locator("svg.pgplot").count() == 4
    assert page.locator("svg style").count() == 0
    assert forest.evaluate("(svg) => getComputedStyle(svg).display") == "block"
    page.get_by_label("Search methods").fill("rebeca")
    page.wait_for_selector("svg[aria-label^='true-taste of 1 row ']")
    assert tab.labels() == ["rebeca"]


def test_two_chosen_rows_are_compared(visit):
    page = (tab := visit("#/board/plain")).page
    page.get_by_label("Choose rebeca to compare").check()
    page.get_by_label("Choose pigeon to compare").check()
    page.get_by_role("link", name="Compare rebeca with pigeon").click()
    tab.shown()
    assert "a=rebeca&b=pigeon" in tab.route()
    facts = page.locator("main > .facts").inner_text()
    assert "0.090 [0.050, 0.130]" in facts
    assert "p (Holm) 0.04" in facts
    wins, losses = _wins(2)
    assert page.locator(f"svg[aria-label='{wins} wins, 0 ties, {losses} losses']").count() == 1
    assert page.locator(".plot circle").count() == 16
    page.get_by_role("button", name="user-02/ä").click()
    page.wait_for_selector("h2 >> text=Pictures for user-02/ä")
    assert page.get_by_role("button", name="user-02/ä").get_attribute("aria-pressed") == "true"
    assert page.locator("#pair .pair-row a.shot").count() == 8
    page.get_by_label("Metric").select_option("diversity")
    page.wait_for_selector("text=standard error over people")
    assert "metric=diversity" in tab.route()
    assert "user=user-02/ä" in tab.route()


def _wins(row):
    from site_example import N_USERS, _value

    higher = sum(_value(0, 0, user) > _value(row, 0, user) for user in range(N_USERS))
    return higher, N_USERS - higher


def test_one_person_is_seen_through_all_methods(visit):
    tab = visit("#/board/plain/people")
    tab.page.get_by_label("Search people").fill("-01")
    tab.page.get_by_role("link", name="user-01/ä").click()
    tab.shown()
    page = tab.page
    assert tab.route() == "#/board/plain/user/user-01/ä"
    assert (
        page.get_by_role("group", name="Likes: 10 of 31, newest last").locator("img").count() == 10
    )
    assert "a quiet street at night" in page.locator(".asked").inner_text()
    page.wait_for_selector(".by-method >> nth=0 >> .shot-card")
    first = page.locator(".by-method").first
    assert first.locator("a.shot").count() == 4
    assert first.locator(".taste").first.get_attribute("title") == "true taste 0.939"
    assert first.locator(".near img").count() == 8
    assert page.locator(".by-method").last.locator("a.shot").count() == 0, "not yet near"
    page.locator(".by-method").last.scroll_into_view_if_needed()
    page.locator(".by-method").last.locator("a.shot").first.wait_for()


def test_the_gallery_opens_large_and_the_keyboard_leads_through_it(visit):
    page = (
        tab := visit(
            f"#/board/plain/gallery?user={USER}&row=rebeca&row=nearest-item",
            reduced_motion="reduce",
        )
    ).page
    page.wait_for_selector("a.shot img")
    assert page.locator("table.gallery thead th").all_inner_texts() == [
        "person", "rebeca", "nearest-item",
    ]  # fmt: skip
    assert page.locator("a.shot").count() == 8
    page.locator("a.shot").first.focus()
    page.keyboard.press("Enter")
    words = page.locator(".pswp__words")
    sync_api.expect(words).to_have_text("rebeca: user-01/ä, picture 1, true taste 0.94")
    page.keyboard.press("ArrowRight")
    sync_api.expect(words).to_contain_text("nearest-item: user-01/ä, picture 1")
    sync_api.expect(words).to_contain_text("repeats a training picture")
    page.keyboard.press("Escape")
    sync_api.expect(page.locator(".pswp")).to_have_count(0)
    page.get_by_text("Methods (2)").click()
    page.get_by_label("oracle").check()
    page.wait_for_selector("thead >> text=oracle")
    assert "row=oracle" in tab.route()


def test_tables_are_downloaded(visit, tmp_path):
    page = (tab := visit("#/board/plain", accept_downloads=True)).page
    for kind, name in (("csv", "CSV"), ("json", "JSON"), ("tex", "LaTeX")):
        link = page.locator("a.download", has_text=name)
        assert (tab.site / link.get_attribute("href")).read_text() == f"plain as {kind}\n"
    tab.go("#/board/hostile/costs")
    with page.expect_download() as found:
        page.get_by_role("button", name="CSV").click()
    found.value.save_as(tmp_path / "costs.csv")
    with (tmp_path / "costs.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0]["method"] == f"{HOSTILE}rebeca{SCRIPT}"
    assert float(rows[1]["fit_seconds"]) == 25.0
    with page.expect_download() as found:
        page.get_by_role("button", name="JSON").click()
    found.value.save_as(tmp_path / "costs.json")
    assert json.loads((tmp_path / "costs.json").read_text("utf-8"))[1]["fit_seconds"] == 25.0


def test_texts_stay_texts(visit):
    """Labels, ids, captions, notes and headers that hold markup are shown, never run."""
    routes = (
        "#/", "#/board/hostile?rows=all&q=img", "#/board/hostile/people", "#/board/hostile/compare",
        "#/board/hostile/gallery", "#/board/hostile/costs", "#/board/hostile/<img src=x>",
        "#/board/..%2F..%2Fevil", "#/board/hostile/user/<img src=x onerror=window.broken=1>",
    )  # fmt: skip
    tab = visit(routes[0])
    for route in routes:
        tab.go(route)
        _nothing_ran(tab)
    tab.go("#/board/hostile/people")
    tab.page.locator("a.person").first.click()
    tab.shown()
    tab.page.wait_for_selector("a.shot")
    tab.page.locator("a.shot").first.click()
    tab.page.wait_for_selector(".pswp__words >> text=onerror")
    _nothing_ran(tab)


def test_no_address_leads_to_a_script_outside(visit):
    tab = visit("#/")
    for key in ("board/../../evil", "board/a/b", "pictures/plain/0/../1", "constructor", "INDEX"):
        said = tab.page.evaluate("(key) => PGBENCH.want(key).then(() => '', String)", key)
        assert said == f"Error: no document {key}"
    assert not [url for url in tab.asked if "evil" in url]


def _nothing_ran(tab):
    assert tab.page.evaluate("window.broken") is None
    assert tab.page.locator("img[onerror], img[src=x]").count() == 0
    assert tab.page.locator("script:not([src])").count() == 0


def test_a_spreadsheet_reads_no_formula(visit):
    page = visit("#/").page
    text = page.evaluate('PGBENCH.csv(["a"], [["=1+1"], ["-x"], [-1.5], [\'a,"b"\'], [null]])')
    assert text == 'a\n\'=1+1\n\'-x\n-1.5\n"a,""b"""\n\n'


def test_a_board_of_nothing_is_a_page_all_the_same(visit):
    tab = visit("#/board/bare?rows=complete")
    assert tab.labels() == []
    tab.go("#/board/bare")
    assert tab.labels() == ["only"], "where no row is complete all are shown"
    parts = {"compare": "not two rows", "gallery": "no pictures", "costs": "what it cost",
             "people": "could not be opened", "nowhere": "Not here"}  # fmt: skip
    for part, words in parts.items():
        tab.go(f"#/board/bare/{part}")
        assert words in tab.page.locator("main").inner_text()


PARTS = ["", f"/user/{USER}", "/compare", "/gallery", "/people", "/costs"]


def test_a_phone_shows_the_pages_in_its_width(visit):
    tab = visit("#/", viewport={"width": 390, "height": 844})
    for route in ["", *(f"board/plain{part}" for part in PARTS), "board/hostile"]:
        tab.go(f"#/{route}")
        tab.page.wait_for_timeout(100)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, route


def test_light_and_dark(visit):
    page = (tab := visit("#/board/plain", color_scheme="dark")).page
    shade = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(shade) == "rgb(20, 23, 26)"
    page.get_by_role("button", name="Use light colours").click()
    assert page.evaluate(shade) == "rgb(255, 255, 255)"
    tab.go("#/board/plain")
    assert page.evaluate(shade) == "rgb(255, 255, 255)", "the choice is kept"


def test_the_keyboard_and_a_screen_reader_find_their_way(visit):
    tab = visit("#/board/plain")
    page = tab.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page"
    assert tab.route() == "#/board/plain", "the skip link is no address"
    assert page.locator("#board-table").get_attribute("role") == "grid"
    assert "16 rows" in page.locator("#board-table").get_attribute("aria-label")
    unnamed = page.evaluate("""[...document.querySelectorAll("button, a, input, select")]
        .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length))
        .map((one) => one.outerHTML)""")
    assert unnamed == []
    page.get_by_role("link", name="Costs").click()
    tab.shown()
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert page.title().startswith("Costs")
    assert page.locator("table caption").count() == page.locator("table").count()


def test_the_policy_refuses_what_is_not_ours(browser, site):
    """The test of the tests: a script in the page and an address elsewhere are refused and seen."""
    tab = Visit(browser, site)
    tab.go("#/")
    tab.page.evaluate("""() => document.body.append(
        Object.assign(document.createElement("script"), { text: "window.broken = 1" }),
        Object.assign(new Image(), { src: "http://127.0.0.1:9/x.png" }))""")
    tab.until("window.violations.length === 2")
    assert tab.page.evaluate("window.broken") is None
    with pytest.raises(AssertionError):
        tab.check()
    tab.context.close()
