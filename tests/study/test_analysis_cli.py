"""`pgbench study analyze | power | export`, from folders of runs to a board."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from analysis_case import Small, population, simulated, written
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.board import get_board
from persongen_bench.loop.numbers import generator, mean_and_bounds
from persongen_bench.loop.schema import (
    DatasetRef,
    MethodRef,
    MetricSummary,
    RunConfig,
    StackRef,
    Summary,
)
from persongen_bench.loop.store import RunDirectory
from persongen_bench.stats.choice_power import Asked, power
from persongen_bench.study.analysis.into_runs import judged_by_run, left_out
from persongen_bench.study.folder import StudyFolder
from persongen_bench.study.looking import answered
from persongen_bench.study.simulated import Design


def pgbench(*words):
    return CliRunner().invoke(app, ["study", *map(str, words)])


def export_run(folder, label, scores, users, board):
    rules = get_board(board)
    config = RunConfig(
        track=rules.track, board=board, seed=0, n_images=1, n_history=rules.n_history,
        dataset=DatasetRef(name=rules.datasets[0], revision="r", split="s", split_seed=0,
                           split_hash="h"),
        method=MethodRef(name=label, distribution="persongen-bench", version="1", config={},
                         label=label),
        stack=StackRef(name=rules.stack, signature="s"), metrics=tuple(scores), code="c",
    )  # fmt: skip
    metrics, rows = {}, []
    for name, values in scores.items():
        info = parse_metric(name).info
        mean, low, high, n = mean_and_bounds(values, generator(config, name), info.range)
        metrics[name] = MetricSummary(
            mean=mean, low=low, high=high, n_units=n, signature=f"{name}|1"
        )
        rows.append(pd.DataFrame({"unit": users, "metric": name, "value": values,
                                  "signature": f"{name}|1"}))  # fmt: skip
    summary = Summary(run_id=config.run_id, n_expected=len(users), n_ok=len(users),
                      states={"ok": len(users)}, metrics=metrics, tests={})  # fmt: skip
    directory = RunDirectory.create(folder, config, [])
    directory.export(summary, pd.concat(rows, ignore_index=True), {"fit_seconds": 1.0})
    samples = pd.DataFrame({"sample_id": [f"{u}-0" for u in users], "request_id": users,
                            "user_id": users, "index": 0, "state": "ok", "reason": "",
                            "digest": "", "pixel_hash": ""})  # fmt: skip
    samples.to_parquet(folder / "samples.parquet", index=False)
    return config.run_id


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A study of 14 people of 60 users, with a run of each of four methods."""
    folder = tmp_path_factory.mktemp("world")
    people, (made, answers) = population(), simulated(14, 9, Design(pairs=30))
    worth = made.worth(people)
    rng = np.random.default_rng(0)
    users = [str(number) for number in range(60)]
    ids = []
    for m, name in enumerate(made.key.methods):
        own = {u: [] for u in users}
        for truth in made.key.truths:
            for k, method in enumerate(truth.methods):
                if method == name:
                    own[truth.user].append(worth(truth, k))
        level = 0.8 - 0.15 * m
        taste = [
            1 / (1 + np.exp(-np.mean(own[u]))) if own[u] else level + 0.1 * rng.standard_normal()
            for u in users
        ]
        scores = {"true-taste": np.clip(taste, 0, 1), "novelty": rng.random(60)}
        scores["lpips@history"] = 1 - scores["true-taste"]
        scores["true-taste"][59] = np.nan
        ids.append(export_run(folder / "runs" / name, name, scores, users, "controlled"))
    key = made.key.model_copy(update={"runs": tuple(ids)})
    written(folder / "study", made.study, key, made.codes, answers)
    return folder, made, answers


def test_runs_link_their_metrics_to_choices(world):
    folder, _, _ = world
    done = pgbench("analyze", folder / "study", "--runs", folder / "runs", "-f", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)["runs"]
    links = {link["metric"]: link for link in found["links"]}
    assert links["true-taste"]["correlation"]["low"] > 0.1
    assert links["true-taste"]["agrees"]["mean"] > 0.6
    assert abs(links["novelty"]["correlation"]["mean"]) < 0.3
    lower = links["lpips@history"]  # the less of it the better
    assert lower["agrees"] == links["true-taste"]["agrees"]
    assert lower["correlation"]["mean"] == links["true-taste"]["correlation"]["mean"]
    assert (found["metric"], found["n_others"]) == ("true-taste", 45)
    assert len(found["powered"]) == 4 + 6
    for one in found["powered"]:
        assert one["powered"]["low"] < one["powered"]["mean"] < one["powered"]["high"]
        assert abs(one["powered"]["mean"] - one["plain"]["mean"]) < 0.25
    text = pgbench("analyze", folder / "study", "--runs", folder / "runs").output
    assert "correlation" in text
    assert "Win rates of 14 people joined with true-taste of 45 users" in text


def test_metrics_of_runs_are_linked_where_each_person_judges_as_themselves(world, tmp_path):
    folder, made, answers = world
    study = StudyFolder(folder / "study")
    third = made.study.model_copy(update={"person": "third"})
    users = {"0": "0", "1": "0"}  # two people judge for one user
    truths = [t.model_copy(update={"user": users.get(t.user, t.user)}) for t in study.key.truths]
    shared = study.key.model_copy(update={"truths": tuple(truths)})
    for k, (public, key) in enumerate(((third, study.key), (made.study, shared))):
        place = written(tmp_path / str(k), public, key, made.codes, answers)
        done = pgbench("analyze", place, "--runs", folder / "runs", "-f", "json")
        assert json.loads(done.output)["runs"] is None


def test_results_go_into_runs_and_onto_the_board_without_codes(world):
    folder, made, _ = world
    for _ in range(2):  # the second time replaces the first
        done = pgbench("analyze", folder / "study", "--into-runs", folder / "runs")
        assert done.exit_code == 0, done.output
        assert "4 runs hold what people said." in done.output
    for name in made.key.methods:
        text = (folder / "runs" / name / "human.json").read_text()
        assert not any(code in text for code in made.codes)
        (one,) = json.loads(text)["judged"]
        assert set(one["values"]) == {str(k) for k in range(1, 15)}
    board = CliRunner().invoke(
        app, ["leaderboard", "--runs", str(folder / "runs"), "-f", "markdown"]
    )
    assert "human-win-rate (people)" in board.output
    assert f"Studies: {made.study.id} (first persons)" in board.output
    row = next(li for li in board.output.splitlines() if "own-taste" in li)
    assert f"{one['mean']:.3f}" not in row
    assert "(n=14)" in row


def test_numbers_of_a_study_go_from_runs_when_nobody_s_answers_count(world, tmp_path):
    folder, made, _ = world
    shutil.copytree(folder / "runs", tmp_path / "runs")
    words = ("--into-runs", tmp_path / "runs")
    assert pgbench("analyze", folder / "study", *words).exit_code == 0
    said = list((tmp_path / "runs").rglob("human.json"))
    assert len(said) == 4
    damaged = said[2].read_text()
    said[2].write_text(damaged[:-5])
    before = [file.read_text() for file in said]
    assert "not valid JSON" in pgbench("analyze", folder / "study", *words).output
    assert [file.read_text() for file in said] == before
    said[2].write_text(damaged)
    key = StudyFolder(folder / "study").key
    fast = answered(made, made.worth(population()), np.random.default_rng(0), ["fast"] * 14)
    for k, (answers, why) in enumerate(
        (
            (fast, "(nobody's answers count (14 people excluded))"),
            ((), "(nobody compared anything)"),
        )
    ):
        assert pgbench("analyze", folder / "study", *words).exit_code == 0
        place = written(tmp_path / str(k), made.study, key, made.codes, answers)
        done = pgbench("analyze", place, *words)
        assert done.exit_code == 0, done.output
        assert f"0 runs hold what people said {why}" in done.output
        assert not any(file.exists() for file in said)


def test_win_rates_of_unequal_opponents_do_not_go_into_runs():
    small = Small(methods=("a", "b", "c"), n=3, preset="pigeon-binary")
    for who in range(3):
        small.say(who, ("a", "b"), "first").say(who, ("a", "c"), "second")
    found = small.result()
    assert judged_by_run(found) == {"run-a": (), "run-b": (), "run-c": ()}
    assert left_out(found).startswith("no win rates of taste: b and c were compared 0 times")


def test_whoever_withdrew_does_not_come_back_by_a_file(tmp_path):
    small = Small(n=3)
    for who in range(3):
        small.say(who, ("a", "b"), "first")
    written(tmp_path / "s", small.study, small.key, small.codes, small.answers)
    lines = [answer.model_dump(mode="json") for answer in small.answers]
    (tmp_path / "a.json").write_text(json.dumps(lines))
    (tmp_path / "s" / "private" / "codes.txt").write_text("")
    assert pgbench("withdraw", tmp_path / "s", small.codes[1]).exit_code == 0
    words = ("analyze", tmp_path / "s", "--answers", tmp_path / "a.json", "-f", "json")
    found = json.loads(pgbench(*words).output)
    assert [one["number"] for one in found["participants"]] == [1, 3]
    assert (found["dropped"]["unknown_code"], found["dropped"]["duplicate"]) == (1, 2)


def test_runs_that_are_elsewhere_are_missed_and_nothing_is_written(world, tmp_path):
    folder, _, _ = world
    (tmp_path / "runs").mkdir()
    done = pgbench("analyze", folder / "study", "--into-runs", tmp_path / "runs")
    assert done.exit_code != 0
    assert "4 of 4 judged runs are not there" in done.output


def test_downloaded_files_are_read_beside_the_server_s(world, tmp_path):
    folder, made, answers = world
    alone = written(tmp_path / "study", made.study, made.key, made.codes)
    half, lines = len(answers) // 2, [a.model_dump(mode="json") for a in answers]
    (tmp_path / "a.json").write_text(json.dumps({"study": "x", "answers": lines[:half]}))
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(li) + "\n" for li in lines[half:]))
    (tmp_path / "c.json").write_text(json.dumps([{"nonsense": 1}, 3]))
    files = [w for name in ("a.json", "b.jsonl", "c.json")
             for w in ("--answers", tmp_path / name)]  # fmt: skip
    there, here = (
        json.loads(pgbench("analyze", place, *more, "-f", "json").output)
        for place, more in ((folder / "study", []), (alone, files))
    )
    assert here["questions"][0]["pairs"] == there["questions"][0]["pairs"]
    assert here["dropped"]["malformed"] == 2


def test_what_is_no_study_and_no_answers_is_one_line(world, tmp_path):
    assert "no such study file" in pgbench("analyze", tmp_path).output
    (tmp_path / "bad.json").write_text("{")
    done = pgbench("analyze", world[0] / "study", "--answers", tmp_path / "bad.json")
    assert "neither a JSON document nor a line of JSON per answer" in done.output


def test_output_and_plot_are_written(world, tmp_path):
    files = tmp_path / "a.tex", tmp_path / "a.png"
    done = pgbench(
        "analyze", world[0] / "study", "-f", "latex", "--output", files[0], "--plot", files[1]
    )
    assert done.exit_code == 0, done.output
    assert r"\toprule" in files[0].read_text()
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_power_is_a_table_by_people_and_effect():
    done = pgbench("power", "--pairs", 8, "--between", 0, "--share", 0.75, "--share", 0.85,
                   "--people", 6, "--people", 9)  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = [li.split() for li in done.output.splitlines() if "%" in li]
    assert [row[0] for row in rows] == ["75%", "85%"]
    assert float(rows[0][1]) < float(rows[0][2]) < 1
    assert int(rows[1][3]) <= int(rows[0][3])
    assert "8 comparisons of each two methods by each person, 8 in all" in done.output
    four = pgbench("power", "--pairs", 8, "--between", 0, "--share", 0.75, "--people", 9,
                   "--methods", 4)  # fmt: skip
    said = " ".join(four.output.split())
    assert "48 in all; one test at alpha 0.00833 (0.05 over 6 pairs" in said
    (row,) = [li.split() for li in four.output.splitlines() if li.startswith("75%")]
    assert float(row[1]) < float(rows[0][2])
    assert float(row[1]) == round(power(Asked(pairs=8, ties=0.15, between=0), 0.75, 9, 0.05 / 6), 2)
    assert int(row[2]) > int(rows[0][3])
    assert "no study has these" in pgbench("power", "--ties", 2).output


@pytest.mark.parametrize("tool", ["label-studio", "potato"])
def test_exports_hold_every_trial_and_nothing_of_the_key(world, tmp_path, tool):
    folder, made, _ = world
    done = pgbench("export", folder / "study", "--to", tool, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    texts = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
    whole = "".join(texts.values())
    assert not any(f'"{name}"' in whole for name in (*made.key.methods, *made.codes))
    if tool == "label-studio":
        tasks = json.loads(texts["pair-taste-2.json"])
        fields = tasks[0]["data"]
        config = ET.fromstring(texts["pair-taste-2.xml"])
        assert [one.get("alias") for one in config.iter("Choice")] == list(made.study.choices)
        used = {one.get("value") for one in config.iter("Image")}
        assert used == {f"${key}" for key in fields if key.startswith("picture")}
        shown = [task["data"]["trial"] for task in tasks]
    else:
        import yaml

        config = yaml.safe_load(texts["pair-taste-2.yaml"])
        lines = [json.loads(li) for li in texts["pair-taste-2.jsonl"].splitlines()]
        assert {one["key"] for one in config["instance_display"]["fields"]} <= set(lines[0])
        (scheme,) = config["annotation_schemes"]
        assert [one["name"] for one in scheme["labels"]] == list(made.study.choices)
        assert len({li["id"] for li in lines}) == len(lines)
        shown = [li["trial"] for li in lines]
    assert sorted(shown) == sorted(truth.trial for truth in made.key.truths)
    again = pgbench("export", folder / "study", "--to", tool, "--out", tmp_path / "out")
    assert "is there already" in again.output


def test_rankings_and_histories_are_exported(tmp_path):
    small = Small(methods=("a", "b", "c"), n=1).say(0, ("a", "b", "c"), (0, 1, 2))
    (session,) = small.study.sessions
    trial = session.trials[0].model_copy(update={"shown": ("h1", "h2")})
    session = session.model_copy(update={"trials": (trial,)})
    study = small.study.model_copy(
        update={"sessions": (session,), "questions": {"taste": '"<b>&</b>"'}}
    )
    written(tmp_path / "s", study, small.key, small.codes)
    for tool in ("label-studio", "potato"):
        assert (
            pgbench("export", tmp_path / "s", "--to", tool, "--out", tmp_path / tool).exit_code == 0
        )
    config = ET.parse(tmp_path / "label-studio" / "rank-taste-3-above-2.xml").getroot()
    assert config.find("Header").get("value") == '"<b>&</b>"'
    assert config.find("Ranker").get("toName") == config.find("List").get("name")
    (task,) = json.loads((tmp_path / "label-studio" / "rank-taste-3-above-2.json").read_text())
    assert [one["id"] for one in task["data"]["items"]] == ["0", "1", "2"]
    potato = json.loads((tmp_path / "potato" / "rank-taste-3-above-2.yaml").read_text())
    assert potato["annotation_schemes"][0]["labels"] == ["1", "2", "3"]
    assert (
        "no export is called"
        in pgbench("export", tmp_path / "s", "--to", "jspsych", "--out", tmp_path / "x").output
    )


def test_a_careless_crowd_leaves_nobody_and_says_so(tmp_path):
    made, _ = simulated(4, 2)
    rng = np.random.default_rng(0)
    answers = answered(made, made.worth(population()), rng, ["fast"] * 4)
    written(tmp_path / "s", made.study, made.key, made.codes, answers)
    done = pgbench("analyze", tmp_path / "s")
    assert done.exit_code == 0, done.output
    assert "4 of 4 people" in done.output
    assert "Everybody is excluded: numbers with nobody excluded" in done.output
    row = next(li for li in done.output.splitlines() if "own-taste" in li)
    assert not re.match(r"\s*\d", row)
    assert re.search(r"0\.\d{3}", row)
