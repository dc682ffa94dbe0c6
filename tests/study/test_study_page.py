"""The participant's page in a real browser: keys, reload, simulation, nothing from elsewhere."""

import json
import shutil
from contextlib import contextmanager

import pytest
from study_case import MARKUP, METHODS, codes_of, make_study, served, write_pictures

from persongen_bench.api import study as api
from persongen_bench.study.answers import read_answers
from persongen_bench.study.folder import StudyFolder, code_hash

READY = "main:not(.loading) section, main:not(.loading) #remarks, main[data-done]"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@contextmanager
def page_of(browser, allowed, faults=(), **settings):
    """A page of its own browser; afterwards no request went elsewhere, and its console is empty.

    But for ``faults``, words of what it should complain of.
    """
    context = browser.new_context(**settings)
    page = context.new_page()
    page.set_default_timeout(20_000)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        yield page
    finally:
        context.close()
    assert [line for line in said if not any(word in line for word in faults)] == []
    assert [url for url in asked if not url.startswith((allowed, "data:", "blob:"))] == []


def begin(page):
    """Through consent and instructions, by the keyboard."""
    for words in ("I agree", "Begin"):
        page.get_by_role("button", name=words).wait_for()
        page.wait_for_selector("main:not(.loading)")
        page.keyboard.press("Enter")


def kind(page):
    page.wait_for_selector(READY)
    return page.evaluate(
        "document.querySelector('section')?.className ?? "
        "(document.querySelector('#remarks') ? 'remarks' : 'end')"
    )


def answer(page, keys):
    """Answer the question that is there; True until there is none."""
    now = kind(page)
    if now in ("remarks", "end"):
        return False
    before = page.text_content("#done")
    for attempt in range(2000):
        if page.text_content("#done") != before:
            return True
        if attempt % 200 == 0:  # a key that is pressed before the pictures are there is not heard
            for key in keys[now]:
                page.keyboard.press(key)
        page.wait_for_timeout(10)
    pytest.fail(f"no answer to {now} was taken")


KEYS = {"elicit": ["2"], "pair": ["9"], "rank": [*["Backspace"] * 3, "3", "1", "2", "Enter"]}
WILD = "<img src=x onerror=boom()><script>boom()</script>"


def test_a_participant_answers_by_keys_closes_the_page_and_goes_on(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", title=WILD, pairs_per_person=4)
    code = codes_of(study)[MARKUP]
    trials = study.trials[code_hash(code)]
    with served(study) as (_, address), page_of(browser, address) as page:
        page.goto(f"{address}#{code.upper()}")
        begin(page)
        for _ in range(23):
            assert answer(page, KEYS)
        page.reload()
        page.wait_for_selector(READY)
        assert page.text_content("#done") == f"23 of {len(trials)}"
        while answer(page, KEYS):
            pass
        page.fill("#remarks", WILD)
        page.get_by_role("button", name="Finish").click()
        page.wait_for_selector("main[data-sent=true]")
        assert f"All {len(trials) + 1} answers have been received" in page.text_content("main")
        page.reload()
        page.wait_for_selector("main[data-sent=true]")  # nothing is asked again
        assert page.title() == WILD
        assert page.locator("img[src=x], script:not([src])").count() == 0
    answers = read_answers(study)
    assert [a.trial for a in answers] == [*trials, "remarks"]
    assert {a.rating or a.choice for a in answers[:-1]} == {"dislike", "both-bad"}
    assert answers[-1].comment == WILD
    assert all(a.code == code and 0 <= a.milliseconds < 60_000 for a in answers)


@pytest.mark.parametrize("mode", ["data-only", "visual"])
def test_simulated_participants_answer_everything(browser, pictures, tmp_path, mode):
    study = make_study(
        pictures, tmp_path / "s", preset="ragar-rank", pairs_per_person=4, participants=2,
        rehearsal=True,
    )  # fmt: skip
    with served(study) as (_, address):
        for code in study.codes():
            with page_of(browser, address) as page:
                page.goto(f"{address}?simulate={mode}#{code}")
                page.wait_for_selector("main[data-sent=true]")
    answers = read_answers(study)
    n_asked = sum(len(trials) for trials in study.trials.values())
    assert len(answers) == n_asked + 2
    orders = {a.order for a in answers if a.order}
    assert orders
    assert all(sorted(order) == [0, 1, 2] for order in orders)


def test_from_a_disk_answers_are_downloaded_and_taken_in(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", person="third", participants=2, elicit=0)
    (code, other) = study.codes()
    shutil.copytree(study.path, tmp_path / "public", ignore=shutil.ignore_patterns("private"))
    address = (tmp_path / "public" / "index.html").as_uri()
    with page_of(browser, address.removesuffix("index.html")) as page:
        page.goto(address)
        page.fill("#code", f" {other[:4].upper()}-{other[4:]} ")
        page.get_by_role("button", name="Begin", exact=True).click()
        begin(page)
        assert page.locator(".above img").count() == 5
        while answer(page, {"pair": ["1"]}):
            pass
        page.get_by_role("button", name="Finish").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "answers.json")
    assert json.loads((tmp_path / "answers.json").read_text())["study"] == study.study.id
    n_new = len(study.trials[code_hash(other)]) + 1
    assert str(api.take(study.path, [tmp_path / "answers.json"])).startswith(f"{n_new} answers")
    assert {a.choice for a in read_answers(study)} == {"first", None}
    assert {a.code for a in read_answers(study)} == {other} != {code}


def test_who_declines_is_asked_nothing_and_nothing_is_kept(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", consent="Take part?\n\n<b>Really</b>?")
    code = next(iter(study.codes()))
    with served(study) as (_, address), page_of(browser, address) as page:
        page.goto(f"{address}#{code}")
        page.wait_for_selector("main:not(.loading) article")
        for key in ("Tab", "Tab", "Enter"):
            page.keyboard.press(key)
        page.get_by_role("heading", name="You do not take part").wait_for()
        assert page.evaluate("localStorage.length") == 0
    assert read_answers(study) == []


def test_answers_wait_for_a_server_that_is_away(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", elicit=0, pairs_per_person=4)
    code = codes_of(study)["quokka-1"]
    with served(study) as (_, address), page_of(browser, address, faults=["503"]) as page:
        page.goto(f"{address}#{code}")
        begin(page)
        n_away = []
        page.route("**/answers", lambda route: n_away.append(1) or route.fulfill(status=503))
        while answer(page, KEYS):
            pass
        assert n_away
        assert read_answers(study) == []
        page.unroute("**/answers")
        page.get_by_role("button", name="Finish").click()
        page.wait_for_selector("main[data-sent=true]")
    assert len(read_answers(study)) == len(study.trials[code_hash(code)]) + 1


def test_prolifics_name_is_neither_sent_nor_kept(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", person="third", participants=2, elicit=0)
    sent = []
    with (
        served(study, "--hand-out") as (_, address),
        page_of(browser, address) as page,
    ):
        page.on("request", lambda request: sent.append(request.post_data or ""))
        key = study.hand_out_file.read_text()
        page.goto(f"{address}?key={key}&PROLIFIC_PID=5f00pid&STUDY_ID=6a00sid&SESSION_ID=7b00ses")
        begin(page)
        assert answer(page, KEYS)
        assert "5f00pid" not in page.url
        assert page.url.split("#")[1] in study.codes()
        kept = page.evaluate("JSON.stringify(localStorage)")
    assert sent
    held = b"".join(file.read_bytes() for file in study.private.iterdir())
    for name in ("5f00pid", "6a00sid", "7b00ses"):
        assert name not in "".join(sent) + kept
        assert name.encode() not in held


def test_nobody_claims_a_code_before_agreeing_and_who_gets_none_is_told_why(
    browser, pictures, tmp_path
):
    study = make_study(pictures, tmp_path / "s", person="third", participants=2, elicit=0)
    said = {"refused": "every code is taken"}
    with (
        served(study, "--hand-out") as (_, address),
        page_of(browser, address, faults=["404"]) as page,
    ):
        claims = []
        page.route("**/claims", lambda r: claims.append(1) or r.fulfill(status=404, json=said))
        page.goto(f"{address}?key={study.hand_out_file.read_text()}&PROLIFIC_PID=5f00pid")
        agree = page.get_by_role("button", name="I agree")
        agree.wait_for()
        assert claims == []
        agree.click()
        page.get_by_text("every code is taken").wait_for()
        assert "5f00pid" in page.url  # so that a reload tries again
        page.unroute("**/claims")
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("button", name="Begin").wait_for()
        assert page.url.split("#")[1] in study.codes()
        assert "5f00pid" not in page.url


@pytest.mark.parametrize("status", [404, 405, 501, 200])
def test_where_nobody_takes_answers_they_are_downloaded(browser, pictures, tmp_path, status):
    study = make_study(pictures, tmp_path / "s", elicit=0, pairs_per_person=4)
    code = codes_of(study)["quokka-1"]
    with served(study) as (_, address), page_of(browser, address, faults=[str(status)]) as page:
        page.route("**/answers", lambda route: route.fulfill(status=status, body="<h1>Hi</h1>"))
        page.goto(f"{address}#{code}")
        begin(page)
        while answer(page, KEYS):
            pass
        page.get_by_role("button", name="Finish").click()
        page.wait_for_selector("main[data-sent=false]")
        assert "download them" in page.text_content("#state")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "answers.json")
    n_said = len(study.trials[code_hash(code)]) + 1
    assert str(api.take(study.path, [tmp_path / "answers.json"])).startswith(f"{n_said} answers")


def test_simulated_participants_of_a_live_study_send_and_keep_nothing(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", elicit=0, pairs_per_person=4)
    code = codes_of(study)["quokka-1"]
    with served(study) as (_, address), page_of(browser, address) as page:
        page.goto(f"{address}?simulate=data-only#{code}")
        page.wait_for_selector("main[data-done]")
        assert "not a rehearsal" in page.text_content("main")
        assert page.evaluate("localStorage.length") == 0
    assert read_answers(study) == []


def test_a_browser_that_keeps_no_more_goes_on(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", elicit=0, pairs_per_person=4)
    code = codes_of(study)["quokka-1"]
    with served(study) as (_, address), page_of(browser, address) as page:
        page.goto(f"{address}#{code}")
        begin(page)
        assert answer(page, KEYS)
        page.evaluate("void (Storage.prototype.setItem = () => { throw new Error('full'); })")
        while answer(page, KEYS):
            pass
        page.get_by_role("button", name="Finish").click()
        page.wait_for_selector("main[data-sent=true]")
    assert len(read_answers(study)) == len(study.trials[code_hash(code)]) + 1


def test_a_code_that_is_withdrawn_is_told_so(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s", elicit=0, pairs_per_person=4)
    code = codes_of(study)["quokka-1"]
    with served(study) as (_, address), page_of(browser, address, faults=["410"]) as page:
        page.goto(f"{address}#{code}")
        begin(page)
        api.withdraw(study.path, code)
        while answer(page, KEYS):
            pass
        page.get_by_role("button", name="Finish").click()
        page.wait_for_selector("main[data-sent=false]")
        assert "does not take answers under this code" in page.text_content("#state")
    assert read_answers(study) == []


@pytest.mark.parametrize("width", [390, 1300])
@pytest.mark.parametrize("preset", ["pairs", "ragar-rank"])
def test_nothing_is_wider_than_the_window(browser, pictures, tmp_path, preset, width):
    study = make_study(pictures, tmp_path / "s", preset=preset, person="third", elicit=0)
    code = next(iter(study.codes()))
    size = {"width": width, "height": 844}
    with served(study) as (_, address), page_of(browser, address, viewport=size) as page:
        page.goto(f"{address}#{code}")
        begin(page)
        for _ in range(3):
            kind(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.get_by_role("button").last.bounding_box()["y"] < 844
            answer(page, KEYS)


def test_every_method_name_stays_out_of_the_browser(browser, pictures, tmp_path):
    study = make_study(pictures, tmp_path / "s")
    code = next(iter(study.codes()))
    bodies = []
    with served(StudyFolder(study.path)) as (_, address), page_of(browser, address) as page:
        page.on("response", lambda reply: bodies.append(reply.body()))
        page.goto(f"{address}#{code}")
        begin(page)
        kind(page)
        page.wait_for_load_state("networkidle")
    assert len(bodies) > 8
    assert not any(method.encode() in body for body in bodies for method in METHODS)
