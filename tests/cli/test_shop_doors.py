"""Every door on a small shop: cold start, scores of answers from elsewhere, absent words."""

import json

import pandas as pd
import pytest
from shop_case import N_ITEMS, PEOPLE, write_delivery, write_shop
from typer.testing import CliRunner

import persongen_bench as pb
from persongen_bench.cli.app import app
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError, MissingRoleError
from persongen_bench.testing.toy import ToyStack

SHOP = ("-d", "folder", "--data", "shop")


@pytest.fixture(autouse=True, scope="module")
def here(tmp_path_factory):
    base = tmp_path_factory.mktemp("shop")
    write_shop(base / "shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        yield base


def pgbench(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done.output


# --- cold start ---------------------------------------------------------------------------------


def test_a_shop_has_new_people(tmp_path):
    said = pgbench("cold-start", "-m", "random-item", *SHOP, "--no-beside", "-k", 0, "-k", 4,
                   "--n-images", 2, "--data-option", "test_fraction=0.2", "--metric", "vendi",
                   "--split-seed", 3, "--output", tmp_path)  # fmt: skip
    assert "vendi" in said
    table = pd.read_csv(tmp_path / "cold-start.csv")
    assert {"taste-gap", "vendi"} == set(table["metric"])
    assert set(table["k"]) == {0, 4}
    # A quarter of twelve people are new, and all of them rated one of six held-out items.
    assert table["unit"].nunique() == 3
    document = json.loads((tmp_path / "cold-start.json").read_text())
    assert document["metric"] == "taste-gap"
    (other,) = document["others"]
    assert other["metric"] == "vendi"
    (curve,) = other["curves"]
    mean = table[(table["metric"] == "vendi") & (table["k"] == 4)]["value"].mean()
    assert curve["points"][1]["mean"] == pytest.approx(mean)


def test_the_python_door_gives_the_same(tmp_path):
    pgbench("cold-start", "-m", "nearest-item", *SHOP, "--no-beside", "-k", 2, "--n-images", 2,
            "--metric", "diversity", "--output", tmp_path)  # fmt: skip
    made = pb.cold_start(["nearest-item"], "folder", known=(2,), data="shop", beside=False,
                         n_images=2, metrics=["diversity"])  # fmt: skip
    assert isinstance(made, pb.ColdStart)
    written = pd.read_csv(tmp_path / "cold-start.csv")
    assert made.scores["value"].to_numpy() == pytest.approx(written["value"], nan_ok=True)
    assert made.others == ("diversity",)
    assert [point.k for point in made.made] == [2]


def test_what_is_known_of_new_people_is_what_was_asked(tmp_path):
    made = pb.cold_start(["random-item"], "folder", known=(0, 4), data="shop", beside=False,
                         n_images=1)  # fmt: skip
    splits = [cold.results.config.dataset.split for cold in made.made]
    assert splits == ["cold-start@0", "cold-start@4"]
    data = pb.load_dataset("folder", "shop")
    from persongen_bench.datasets.supports import with_new_people

    for k in (0, 4, 100):
        split = with_new_people(data).split(f"cold-start@{k}")
        new = set(split.test["user_id"])
        counts = split.train[split.train["user_id"].isin(new)]["user_id"].value_counts()
        assert set(counts) <= set(range(k + 1))
        assert not set(split.train["item_id"]) & set(split.test["item_id"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "item"}, "no split 'item' that can be cut. Splits that are cut: cold-start"),
        ({"known": (3,)}, "no split 'cold-start' with a support of 3.*cold-start@2"),
        ({"data_options": {"colour": 1}}, "colour"),
        ({"metrics": ["nothing-so"]}, "nothing-so"),
        ({"metrics": ["true-taste"]}, "true-taste"),
        ({"board": "tasteworld"}, "tasteworld"),
    ],
)
def test_cold_start_that_cannot_be(settings, message):
    said = {"data": "shop", "beside": False, "known": (0,), "n_images": 1}
    with pytest.raises(pb.PgbenchError, match=message):
        pb.cold_start(["random-item"], "folder", **{**said, **settings})


def test_a_log_too_small_for_new_people(tmp_path):
    folder = write_shop(tmp_path / "tiny")
    rows = (folder / "interactions.csv").read_text().splitlines()
    (folder / "interactions.csv").write_text("\n".join([rows[0], *rows[1:4], *rows[22:24]]) + "\n")
    said = {"data": folder, "known": (0,), "beside": False, "n_images": 1}
    refused = []
    for seed in range(6):  # whether the one new person rated the held-out item is luck
        try:
            pb.cold_start(["random-item"], "folder", split_seed=seed, **said)
        except pb.PgbenchError as error:
            refused.append(str(error))
    assert any("cannot be divided for cold start" in line for line in refused)


# --- answers from elsewhere ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(here):
    return write_delivery(here / "theirs", PEOPLE, 2)


def test_scores_are_made_like_runs(here):
    asked = pb.requests("folder", data="shop", split="row", split_seed=3,
                        data_options={"like_threshold": 5})  # fmt: skip
    theirs = write_delivery(here / "by-row", [line["user_id"] for line in asked], 2)
    said = ("--split", "row", "--split-seed", 3, "--n-images", 2, "--board", "catalogue")
    pgbench("run", "-m", "random-item", *SHOP, *said, "--no-beside", "--runs", "both",
            "--data-option", "like_threshold=5", "--stack", "pixels")  # fmt: skip
    pgbench("score", theirs, *SHOP, *said, "--runs", "both", "--track", "prompt-free",
            "--data-option", "like_threshold=5", "--stack", "pixels")  # fmt: skip
    (table,) = pb.leaderboard("both")
    assert {row.label for row in table.methods} == {"random-item", "by-row"}
    assert not table.refused
    assert {row.n_expected for row in table.methods} == {2 * len(asked)}
    runs = [pb.Run.open(file.parent).config for file in (here / "both").rglob("run.json")]
    assert {config.dataset.split_seed for config in runs} == {3}


def test_another_seed_is_another_split():
    hashes = {
        pb.run("random-item", "folder", data="shop", n_images=1, beside=False,
               split_seed=seed).config.dataset.split_hash for seed in (0, 1)
    }  # fmt: skip
    assert len(hashes) == 2


def test_requests_are_those_of_the_same_settings():
    lines = json.loads(pgbench("list", "requests", *SHOP, "--split", "row", "--split-seed", 3,
                               "--n-images", 2, "-f", "json"))  # fmt: skip
    assert {line["answers"] for line in lines} == {2}
    other = json.loads(pgbench("list", "requests", *SHOP, "--split", "row", "-f", "json"))
    assert {line["request_id"] for line in lines} != {line["request_id"] for line in other}


def test_nobody_delivers_more_than_was_asked_for(theirs):
    said = pgbench("score", theirs, *SHOP, "--n-images", 1, status=2)
    assert "has an answer of index 1, and 1 were asked for" in said
    assert "--n-images" in said
    assert pb.score(theirs, "folder", data="shop").config.n_images == 10  # the board's own
    assert pb.score(theirs, "folder", data="shop", n_images=2).summary.n_ok == 24


@pytest.mark.parametrize(
    ("option", "value"),
    [("--split", "row"), ("--stack", "sandbox"), ("--n-images", 7), ("--split-seed", 4),
     ("-d", "tasteworld"), ("--track", "cold-start"), ("--data-option", "like_threshold=5")],
)  # fmt: skip
def test_a_run_keeps_what_it_was_made_with(option, value):
    made = pb.run("random-item", "folder", data="shop", n_images=1, beside=False)
    before = (made.path / "run.json").read_bytes()
    said = pgbench("score", made.path, option, value, status=2)
    assert "this is a run with the" in said
    assert (made.path / "run.json").read_bytes() == before
    pgbench("score", made.path, "--split", made.config.dataset.split, "-d", "folder")


def test_an_index_from_one_is_named(here):
    folder = write_delivery(here / "from-one", PEOPLE, 2, first=1)
    with pytest.raises(DataError, match=r"counts from 1.*Count from 0"):
        pb.score(folder, "folder", data="shop")
    assert not list((here / "runs").rglob("from-one*"))


def test_one_cell_does_not_plan_a_hundred_thousand_answers(here):
    folder = write_delivery(here / "slip", PEOPLE, 2)
    text = (folder / "manifest.csv").read_text()
    (folder / "manifest.csv").write_text(text.replace("0-1.png,1", "0-1.png,100000"))
    user = PEOPLE[0]
    with pytest.raises(DataError, match=rf"'{user}'.*index 100000.*100,001 would be asked"):
        pb.score(folder, "folder", data="shop")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: "\ufeff" + t, None),
        (lambda t: t.replace(",", ";"), "cells are separated by semicolons"),
        (lambda t: t.replace("person-", "Person-", 1), "looks like 'person-0000@shop.example'"),
        (lambda t: t.replace("0-0.png", "x" * 1_000_000), "row 2: .*image.* 10,000 characters"),
        (lambda t: t.replace(PEOPLE[0], "x" * 1_000_000), "row 2: .*user_id.* 10,000 characters"),
        (lambda t: t.replace(",0-0.png,0", ",0-0.png,-1"), "'-1', expected 0, 1, 2, ... Correct"),
        (lambda t: t.replace("0-0.png,0", f"0-0.png,{'1' * 5000}"), "index is .*expected"),
        (lambda t: t.replace("0-0.png,0", "0-0.png,1e99"), "index is '1e99', expected"),
        (lambda t: t.replace("0-0.png,0", "0-0.png,NaN"), "index is 'NaN'"),
        (lambda t: t.replace("0-0.png", r"a\\0-0.png"), "Write paths with / in place"),
        (lambda t: t.replace("0-0.png", "[" * 5000), "has more than 500 characters"),
    ],
    ids=["bom", "semicolons", "case", "cell", "user", "negative", "digits", "huge", "nan",
         "backslash", "deep"],
)  # fmt: skip
def test_a_manifest_that_is_odd(tmp_path, spoil, message):
    folder = write_delivery(tmp_path / "odd", PEOPLE, 2)
    text = (folder / "manifest.csv").read_text()
    (folder / "manifest.csv").write_text(spoil(text), encoding="utf-8")
    if message is None:
        assert pb.score(folder, "folder", data="shop").summary.n_ok == 24
        return
    with pytest.raises(DataError, match=message) as caught:
        pb.score(folder, "folder", data="shop")
    assert len(str(caught.value)) < 2500


def test_bytes_that_are_no_text_in_a_manifest(tmp_path):
    folder = write_delivery(tmp_path / "odd", PEOPLE, 1)
    (folder / "manifest.csv").write_bytes(b"user_id,image\n\xed\xa0\x80,a.png\n")  # half a pair
    with pytest.raises(DataError, match="row 2: byte 0xed is not UTF-8"):
        pb.score(folder, "folder", data="shop")


# --- words that are absent ----------------------------------------------------------------------

WORDY = ("in-context", "vlm-persona", "lora-user", "lora-shared", "vlm-persona+lora")


@pytest.mark.parametrize("method", [*WORDY, "sd-prompt", "textual-inversion", "unpersonalized"])
def test_who_needs_words_or_a_decoder_is_refused_before_anything_is_fitted(method, monkeypatch):
    from persongen_bench.methods.random_item import RandomItem

    monkeypatch.setattr(RandomItem, "fit", _never)
    with pytest.raises(MissingRoleError, match=rf"method {method.replace('+', '.')} needs decoder"):
        pb.run_many([method], "folder", data="shop", stack="pixels", n_images=3)


class Mute(ToyStack):
    """The toy models without the one that describes pictures."""

    @property
    def roles(self):
        return tuple(role for role in super().roles if role != "captioner")

    def role(self, name):
        if name == "captioner":
            raise MissingRoleError("stack mute has no role 'captioner'")
        return super().role(name)


@pytest.fixture
def toys(monkeypatch):
    known = registry.get
    stacks = {"mute": Mute, "toy": ToyStack}
    monkeypatch.setattr(registry, "get", lambda kind, name: stacks.get(name) or known(kind, name))


def _never(*_):
    raise AssertionError("fitted")


def test_a_metric_that_reads_captions_is_refused_before_anything_is_fitted(toys, monkeypatch):
    from persongen_bench.methods.random_item import RandomItem

    said = {"data": "shop", "stack": "mute", "n_images": 3, "beside": False}
    monkeypatch.setattr(RandomItem, "fit", _never)
    message = f"cs@history: {N_ITEMS} of {N_ITEMS} items have no caption"
    with pytest.raises(MissingRoleError, match=message):
        pb.run("random-item", "folder", metrics=["cs@history"], **said)
    with pytest.raises(MissingRoleError, match="in-context needs captioner"):
        pb.run("in-context", "folder", **said)


def test_a_run_is_not_rewritten_for_a_metric_that_cannot_be(toys):
    made = pb.run("random-item", "folder", data="shop", stack="mute", n_images=3, beside=False)
    before = (made.path / "run.json").read_bytes()
    with pytest.raises(MissingRoleError, match=r"cs@history: .* have no caption"):
        pb.score(made, metrics=["cs@history"])
    assert (made.path / "run.json").read_bytes() == before
    every = pb.score(made, metrics=["all"])  # all that can be measured here
    assert "cis@history" in every.summary.metrics
    assert not {"cs@history", "cps"} & set(every.summary.metrics)


@pytest.mark.parametrize("method", ["in-context", "vlm-persona", "sd-prompt", "mean-embedding"])
def test_a_captioner_stands_in_for_captions(toys, method):
    made = pb.run(method, "folder", data="shop", stack="toy", n_images=2, beside=False,
                  metrics=["cs@history"])  # fmt: skip
    assert made.summary.n_ok == made.summary.n_expected
    assert "text:captioner:" in made.summary.metrics["cs@history"].signature


def test_refusals_are_of_the_kind_that_they_were():
    with pytest.raises(ConfigError):
        pb.cold_start(["random-item"], "folder", data="shop", known=(True,))
