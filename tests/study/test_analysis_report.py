"""What is printed of an analysis: who is excluded first, one number everywhere, nothing alive."""

import csv
import io
import json

import pytest
from analysis_case import Small, analysed, simulated
from PIL import Image

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.render import FORMATS
from persongen_bench.study.analysis.figure import strengths_plot
from persongen_bench.study.analysis.report import render

HOSTILE = ("=cmd|'/c calc'!A0", "<img src=x onerror=alert(1)>\x1b[31m", "50% & $\\alpha$_{x}|y")
COMMENT = "=HYPERLINK(1)\x1b[2J <script>alert(1)</script>"


@pytest.fixture(scope="module")
def found():
    made, answers = simulated(10, 3, behaviours=["random", "left"])
    return made, analysed(made, answers)


@pytest.fixture(scope="module")
def hostile():
    small = Small(methods=HOSTILE, n=3)
    for who in range(3):
        for shown in ((0, 1), (1, 2), (0, 2)):
            names = tuple(HOSTILE[k] for k in shown)
            small.say(who, names, "first", comment=COMMENT)
    return small


@pytest.mark.parametrize("form", FORMATS)
def test_who_is_excluded_and_why_comes_before_any_number(found, form):
    made, analysis = found
    text = render(analysis, form, 200)
    assert text.endswith("\n")
    if form in ("table", "markdown", "html"):
        flat = " ".join(text.split()).replace("\\", "")
        assert "Excluded by the rules that the key states: 2 of 10 people" in flat
        assert "participant 1: failed catch trials" in flat
        best = f"{analysis.questions[0].methods[0].win_rate.mean:.3f}"
        assert flat.index("Excluded by") < flat.index("own-taste") < flat.index(best)
    for code in made.codes:
        assert code not in text


def test_every_format_says_the_same_numbers(found):
    _, analysis = found
    document = json.loads(render(analysis, "json"))
    lines = list(csv.DictReader(io.StringIO(render(analysis, "csv"))))
    texts = [render(analysis, form, 250) for form in ("table", "markdown", "latex", "html")]
    for kind, people in (("questions", "kept"), ("everybody", "everybody")):
        for method in document[kind][0]["methods"]:
            (line,) = [
                li for li in lines
                if (li["quantity"], li["method"], li["people"])
                == ("win-rate", method["method"], people)
            ]  # fmt: skip
            assert float(line["mean"]) == method["win_rate"]["mean"]
            for text in texts:
                assert f"{method['win_rate']['mean']:.3f}" in text
    pairs = [li for li in lines if li["quantity"] == "head-to-head" and li["people"] == "kept"]
    assert len(pairs) == 6
    assert [float(li["p_holm"]) for li in pairs] == [
        pair["p_holm"] for pair in document["questions"][0]["pairs"]
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_names_and_comments_of_strangers_are_dead_text(hostile, form):
    text = render(hostile.result(), form, 200)
    assert "\x1b" not in text
    assert not any(code in text for code in hostile.codes)
    if form == "html":
        assert "<img" not in text
        assert "<script" not in text
    if form == "latex":
        assert r"50\% \& \$" in text
    if form == "csv":
        cells = [c for row in csv.reader(io.StringIO(text)) for c in row if c]
        assert not any(c[0] in "=+@|" for c in cells)
        assert any(c.startswith("'=HYPERLINK") for c in cells)
    if form == "markdown":
        assert r"\<img" in text


def test_a_study_without_judgements_is_printed_too():
    small = Small(n=2)
    for form in FORMATS:
        assert render(small.result(), form)


def test_there_is_no_other_format(found):
    with pytest.raises(ConfigError, match="no format is called"):
        render(found[1], "yaml")


def test_strengths_are_drawn_alike_twice(found, tmp_path):
    one, two = tmp_path / "a.png", tmp_path / "b.png"
    strengths_plot(found[1], one)
    strengths_plot(found[1], two)
    assert one.read_bytes() == two.read_bytes()
    with Image.open(one) as picture:
        assert picture.width > 1000
    with pytest.raises(ConfigError, match="no method was judged"):
        strengths_plot(Small(n=1).result(), one)
