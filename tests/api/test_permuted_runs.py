"""`permute`: a run is tested by the instruments asked for, also one that was made long ago."""

import json

import pytest
from typer.testing import CliRunner

import persongen_bench as pb
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.settings import campaign_of
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError

SMALL = {"data_options": {"n_images": 40}, "n_images": 3, "beside": False}
DSPRITES = ("-d", "dsprites", "--data-option", "n_images=40", "--n-images", "3", "--no-beside")
DEFAULT = {"permutation.block", "permutation.image"}
KINDS = ("block", "image", "image-medians", "image-mean")


@pytest.fixture(autouse=True, scope="module")
def here(tmp_path_factory):
    base = tmp_path_factory.mktemp("permuted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        yield base


@pytest.fixture(scope="module")
def plain(here):
    return pb.run("random-item", "dsprites", **SMALL)


def said(*words):
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def of(*instruments):
    return {f"permutation.{kind}@{name}" for kind in KINDS for name in instruments}


def test_an_old_run_is_tested_anew_without_generating(plain):
    files = {path: path.stat().st_mtime_ns for path in (plain.path / "images").rglob("*.png")}
    assert len(files) == 12
    tests = pb.score(plain, permute=["true-taste", "verifier"], permute_images=2).summary.tests
    assert set(plain.summary.tests) == DEFAULT
    assert set(tests) == DEFAULT | of("true-taste", "verifier")
    assert {name: tests[name] for name in DEFAULT} == plain.summary.tests
    assert all(test.null is not None and test.reading for test in tests.values())
    assert tests["permutation.image@verifier"].n_images == 8  # of four people
    assert tests["permutation.image"].n_images == 12
    assert {path: path.stat().st_mtime_ns for path in files} == files
    kept = pb.Run.open(plain.path)
    assert kept.config.permute == ("true-taste", "verifier")
    assert kept.config.run_id == plain.config.run_id
    assert kept.config.taste == "taste-gap"


def test_the_tests_of_a_run_stay_until_others_are_named(plain):
    asked = pb.score(plain, permute=["true-taste"])
    again = pb.score(plain)
    assert again.summary.tests == asked.summary.tests
    made = pb.run("random-item", "dsprites", **SMALL)  # complete: nothing is done
    assert made.summary.tests == asked.summary.tests
    made = pb.run("random-item", "dsprites", permute=["neighbour"], **SMALL)
    assert set(made.summary.tests) == DEFAULT | of("neighbour")
    document = json.loads((plain.path / "run.json").read_text())
    assert document["permute"] == ["neighbour"]


def test_a_test_by_the_true_taste_is_that_of_the_automatic_gap(plain):
    """dSprites knows its tastes, so `taste-gap` scores with them: same statistic, other dice."""
    tests = pb.score(plain, permute=["true-taste"]).summary.tests
    for kind in ("block", "image"):
        asked, default = tests[f"permutation.{kind}@true-taste"], tests[f"permutation.{kind}"]
        assert asked.statistic == pytest.approx(default.statistic, abs=1e-12)
        assert abs(asked.p_value - default.p_value) < 0.1
        assert (asked.instrument, default.instrument) == ("true-taste", "taste-gap")


def test_the_commands_print_a_table_of_tests(plain):
    printed = said("run", "-m", "random-item", *DSPRITES, "--permute", "true-taste")
    rows = [line.split("  ") for line in printed.splitlines() if "true-taste  " in line]
    assert [row[0] for row in rows if "users" in " ".join(row)] == ["true-taste"] * 4
    printed = said("score", str(plain.path), "--permute", "neighbour", "--permute-images", "2")
    lines = printed.splitlines()
    (head,) = [k for k, line in enumerate(lines) if line.startswith("permutation test by")]
    assert lines[head].split() == [
        "permutation", "test", "by", "permuted", "reading", "images", "statistic", "null", "mean",
        "null", "sd", "z", "p",
    ]  # fmt: skip
    test = pb.Run.open(plain.path).summary.tests["permutation.image-mean@neighbour"]
    numbers = [f"{test.statistic:.4f}", f"{test.null.mean:.4f}", f"{test.null.sd:.4f}",
               f"{test.z:+.2f}", f"{test.p_value:.4f}"]  # fmt: skip
    (row,) = [line for line in lines[head:] if "mean of users' means" in line]
    assert row.split()[-5:] == numbers
    assert row.startswith("neighbour")
    assert " images  " in row


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--permute", "nonsense"), "no instrument 'nonsense'"),
        (("--permute", "diversity"), "no instrument 'diversity'"),
        (("--permute", "verifier@gpt"), "unknown verifier 'gpt'"),
        (("--permute-images", "3"), "names no instrument"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_line(plain, words, message):
    before = (plain.path / "run.json").read_text()
    for command in (("score", str(plain.path)), ("run", "-m", "random-item", *DSPRITES)):
        done = CliRunner().invoke(app, [*command, *words])
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
    assert (plain.path / "run.json").read_text() == before


def test_a_text_is_no_list_of_instruments(plain):
    with pytest.raises(ConfigError, match="Give a list"):
        pb.score(plain, permute="verifier")


def test_permute_is_a_setting_of_the_python_door():
    campaign = campaign_of((), "dsprites", {"permute": ["verifier"], "permute_images": 30})
    assert isinstance(campaign, Campaign)
    assert (campaign.permute, campaign.permute_images) == (("verifier",), 30)
    with pytest.raises(ConfigError, match="Give a list"):
        campaign_of((), "dsprites", {"permute": "verifier"})
