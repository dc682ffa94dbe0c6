"""What is typed or passed: out of range, of another type, twice, a place that is none.

Every command and every option of a kind is tried; the answer is one line on standard error, status
2 and never a traceback. The same mistakes from Python raise a `PgbenchError`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shop_case import PEOPLE, write_delivery, write_shop
from typer.testing import CliRunner

import persongen_bench as pb
from persongen_bench.cli import options
from persongen_bench.cli.app import app
from persongen_bench.core.errors import ConfigError, PgbenchError

SHOP = ("-d", "folder", "--data", "shop")
RUN = ("run", "-m", "random-item", *SHOP, "--no-beside", "--n-images", "2")
SCORE = ("score", "theirs", *SHOP)
COLD = ("cold-start", "-m", "random-item", *SHOP, "--no-beside")
DIGITS = "1" * 5000
"""More than Python reads (`sys.get_int_max_str_digits` is 4,300)."""
WHOLE = [
    *((RUN, name) for name in ("--seed", "--split-seed", "--n-images", "--jobs", "--workers",
                               "--threads", "--batch-size")),
    *((SCORE, name) for name in ("--seed", "--split-seed", "--n-images")),
    *((COLD, name) for name in ("--known", "--split-seed", "--seed", "--n-images", "--workers")),
    (("list", "requests", *SHOP), "--split-seed"),
    (("selftest",), "--seed"), (("audit", "metrics"), "--seed"), (("rehearse",), "--users"),
    (("models", "build", "sprites"), "--steps"), (("resume", "nowhere"), "--workers"),
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def here(tmp_path_factory):
    base = tmp_path_factory.mktemp("said")
    write_shop(base / "shop")
    write_delivery(base / "theirs", PEOPLE[:3], 2)
    (base / "file").write_text("x")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        yield base


def refused(*words):
    """The one line of a command that fails as it should."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 1500
    return done.stderr


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "", DIGITS])
@pytest.mark.parametrize(
    ("words", "option"), WHOLE, ids=lambda v: v if isinstance(v, str) else v[0]
)
def test_a_number_that_is_none(words, option, value):
    assert option.split("/")[0] in refused(*words, option, value)


@pytest.mark.parametrize(
    "option", ["--n-images", "--jobs", "--workers", "--threads", "--batch-size"]
)
def test_nothing_is_too_few(option):
    assert "greater than or equal to 1" in refused(*RUN, option, "0")


def test_a_seed_that_no_generator_takes():
    assert "4294967295" in refused(*RUN, "--seed", str(2**32))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("colour=red", "option 'colour' = 'red'.*Options are"),
        ("like_threshold=x", "like_threshold.*number"),
        ("like_threshold=[1]", "like_threshold"),
        (f"like_threshold={DIGITS}", "too many digits"),
        (f"like_threshold={'[' * 100_000}", "nested too deep"),
        ('like_threshold={"a": 1, "a": 2}', "field 'a' is given twice"),
        ("test_fraction=2", "less than 1"),
        ("seed=-1", "greater than or equal to 0"),
        (f"{'x' * 100_000}=1", "100,002 characters"),
        ("like_threshold", "is not KEY=VALUE"),
        ("=4", "is not KEY=VALUE"),
        ("", "is not KEY=VALUE"),
    ],
)  # fmt: skip
def test_a_data_option(value, message):
    for words in (RUN, SCORE, COLD, ("list", "requests", *SHOP)):
        assert re.search(message, refused(*words, "--data-option", value))


@pytest.mark.parametrize("words", [RUN, SCORE, COLD], ids=lambda w: w[0])
def test_an_option_given_twice(words):
    said = refused(*words, "--data-option", "like_threshold=4", "--data-option", "like_threshold=5")
    assert "'like_threshold' is given twice: '4' and '5'. Keep one" in said


def test_method_options_and_sweeps():
    words = ("run", "-m", "population-best", *SHOP, "--no-beside")
    assert "given twice" in refused(*words, "-o", "n_best=1", "-o", "n_best=2")
    assert "too many digits" in refused(*words, "--sweep", f"n_best={DIGITS}")
    for number in ("Infinity", "1e999", "inf"):  # which a run could not record
        said = refused("run", "-m", "rebeca", *words[3:], "-o", f"guidance_scale={number}")
        assert "option 'guidance_scale' = inf: Input should be a finite number" in said
    done = CliRunner().invoke(app, [str(w) for w in (*words, "--sweep", "n_best=1,x")])
    assert done.exit_code == 2  # one of the two is made
    assert "n_best" in done.stderr.splitlines()[-1]


def test_options_that_do_not_go_together():
    """Each is right alone: the line names the contradiction and the ways out, and no other."""
    words = ("run", "-m", "ragar", *SHOP, "--no-beside", "--preset", "sandbox")
    said = refused(*words, "-o", "train=calibrator", "-o", "semantic_on=mapper")
    assert said.startswith("error: method ragar: the semantic loss on the mapper has no gradient")
    assert said.rstrip().endswith("semantic_on=output or semantic_weight=0")


@pytest.mark.parametrize("place", ["file", "file/x", "x" * 300, "a\0b", "\udcff"], ids=ascii)
@pytest.mark.parametrize(
    "words",
    [
        (*RUN, "--runs"), (*RUN[:5], "--data"), ("score",), (*SCORE, "--runs"), ("resume",),
        ("leaderboard", "--runs"), ("leaderboard", "--plot"), ("leaderboard", "--forest"),
        ("list", "runs", "--runs"), ("show", "run"), (*COLD, "--output"), ("audit", "copies"),
        ("audit", "metrics", "--runs"), ("compare", "theirs"),
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]),
)  # fmt: skip
def test_a_place_that_is_none(words, place):
    refused(*words, place)


@pytest.mark.parametrize("form", ["csv", "table"])
def test_a_board_goes_to_a_file(form, here):
    assert "this is a folder" in refused("leaderboard", "--format", form, "--output", "shop")
    assert "is a file" in refused("leaderboard", "--format", form, "--output", "file/x.csv")


@pytest.mark.parametrize("option", ["--plot", "--forest"])
def test_a_picture_without_data(option, here):
    done = CliRunner().invoke(app, [*RUN, "--runs", "few"])
    assert done.exit_code == 0
    drawn = CliRunner().invoke(app, ["leaderboard", "--runs", "few", option, "a.png"])
    assert drawn.exit_code == 2
    assert drawn.stderr.startswith("error: ")
    assert drawn.stderr.count("\n") == 1
    assert not Path("a.png").exists()
    assert "Endings are" in refused("leaderboard", "--runs", "few", option, "a.txt")


@pytest.mark.parametrize("option", ["--split", "--track", "--board", "--stack", "--metric"])
@pytest.mark.parametrize("words", [RUN, SCORE], ids=lambda w: w[0])
def test_a_name_that_there_is_not(words, option):
    refused(*words, option, "nothing-so")


def test_a_metric_of_a_board_that_there_is_not():
    CliRunner().invoke(app, [*RUN, "--runs", "few"])
    assert "nothing-so" in refused("leaderboard", "--runs", "few", "--metric", "nothing-so")


def test_a_label_that_cannot_be_written():
    assert "not UTF-8" in refused(*SCORE, "--label", "\udcff")
    assert "cannot be printed" in refused(*SCORE, "--label", "a\x1b[31m")


def test_a_cache_that_is_a_file(monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", "file")
    for words in (RUN, SCORE, COLD):
        assert "the cache cannot be file: file is a file. Set PGBENCH_CACHE" in refused(*words)


def test_nobody_reads_on():
    """As of `pgbench list methods | head -1`: no complaint."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "persongen_bench", "list", "methods"], stdout=writer,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_no_command_and_no_such_command():
    assert "--help" in refused("nonsense")
    assert "No such option" in refused(*RUN, "--n-history", "-1")
    assert "--method NAME" in refused("run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "-m", "random-item", "--seed", "-1"], "--seed"),
        (["run", "-m", "random-item", *SHOP, "--data-option", f"seed={DIGITS}"], "digits"),
        (["score", b"\xff", *SHOP], "not UTF-8"),
    ],
    ids=["seed", "digits", "bytes"],
)
def test_the_program_itself(words, message, here):
    command = [sys.executable, "-m", "persongen_bench", *words]
    done = subprocess.run(command, capture_output=True, check=False, cwd=here, env=os.environ)
    assert done.returncode == 2
    said = done.stderr.decode()
    assert (said[:7], said.count("\n")) == ("error: ", 1)
    assert message in said


# --- from Python --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": (-1,)}, "seed is -1. Use a whole number from 0 to 4294967295"),
        ({"seeds": (True,)}, "seed is True"),
        ({"seeds": (1.5,)}, "seed is 1.5"),
        ({"seeds": (10**5000,)}, "seed is a number of about 5,001 digits"),
        ({"seeds": 3.0}, "seed is 3.0"),
        ({"split_seed": -1}, "split_seed is -1"),
        ({"n_images": 0}, "n_images is 0. Use a whole number from 1"),
        ({"n_images": "two"}, "n_images is 'two'"),
        ({"jobs": 0}, "jobs is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"threads": -2}, "threads is -2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"stack": ""}, "stack is empty"),
        ({"split": "\ud800"}, "split .* is not UTF-8"),
        ({"metrics": "vendi"}, r"Give a list: metrics=\['vendi'\]"),
        ({"runs": "file"}, "the folder of runs cannot be file"),
        ({"colour": "red"}, "there is no setting 'colour'"),
        ({"data_options": {"like_threshold": "x"}}, "like_threshold"),
    ],
)
def test_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        pb.run("random-item", "folder", **{"data": "shop", "beside": False, **settings})


def test_of_scores_and_curves():
    with pytest.raises(ConfigError, match="seed is -1"):
        pb.score("theirs", "folder", data="shop", seed=-1)
    with pytest.raises(ConfigError, match="n_images is 0"):
        pb.score("theirs", "folder", data="shop", n_images=0)
    with pytest.raises(ConfigError, match="known is -1"):
        pb.cold_start(["random-item"], "folder", data="shop", known=(-1,))
    with pytest.raises(PgbenchError, match="no setting 'colour'"):
        pb.cold_start(["random-item"], "folder", data="shop", colour="red")


def test_values_are_json_where_they_are():
    assert options.pairs(["a=1", "b=x", "c=[1, 2]", "d=true", "e=1=2"]) == {
        "a": 1, "b": "x", "c": [1, 2], "d": True, "e": "1=2",
    }  # fmt: skip
