"""`pgbench search`: finds a planted best, says what it tried, and the board says it too."""

import csv
import html
import io
import json

import pytest
from planted_search import BEST, Planted, loss_of
from typer.testing import CliRunner

import persongen_bench as pb
from persongen_bench.api.grids import points
from persongen_bench.api.grids.reading import grid_names, named_grid
from persongen_bench.cli.app import app
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.leaderboards.render import FORMATS, RenderOptions, render

WORLD = {"data_options": {"n_images": 40}}
RUN = {**WORLD, "n_images": 2, "beside": False}
GRID = {"rate": [0.1, 0.01, 0.001], "depth": [2, 4, 6]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    Planted.n_fits = Planted.n_answers = 0


def test_the_planted_best_is_found_run_and_its_budget_stands_on_the_board(tmp_path):
    made = pb.search(Planted, "dsprites", grid=GRID, **WORLD)
    assert made.best.options == BEST
    assert [point.loss for point in made.points] == pytest.approx(
        [loss_of(rate, depth) for rate in GRID["rate"] for depth in GRID["depth"]]
    )
    assert (Planted.n_fits, Planted.n_answers) == (9, 0)

    made.save("best.json")
    read = pb.Search.read("best.json")
    assert read == made
    runs = pb.run_many([read.choice, "random-item"], "dsprites", **RUN)
    assert Planted.n_fits == 9  # the run of the choice fits nothing
    config = json.loads((runs[0].path / "run.json").read_text())["method"]
    assert config["config"] == {**BEST, "shade": 0, "target": "noise"}
    assert config["label"] == "local/planted[depth=4,rate=0.001]"
    assert config["budget"] == {
        "grid": GRID, "n_tried": 9, "chosen_by": "validation loss on dsprites",
    }  # fmt: skip
    (table,) = pb.leaderboard(tmp_path / "runs").tables
    for form in FORMATS:
        text = html.unescape(render([table], form, RenderOptions(width=300))).replace("\\", "")
        if form == "json":
            rows = {row["name"]: row["budget"] for row in json.loads(text)["tables"][0]["methods"]}
            assert rows == {"local/planted": config["budget"], "random-item": None}
        elif form == "csv":
            lines = list(csv.DictReader(io.StringIO(text)))
            said = {line["method"]: line["budget"] for line in lines if line["block"] == "methods"}
            assert said["random-item"] == ""
            assert said[config["label"]] == "chosen among 9 by validation loss on dsprites"
        else:
            label = "local/planted{[}depth=4,rate=0.001{]}" if form == "latex" else config["label"]
            assert (
                f"budget of {label}: chosen among 9 by validation loss on dsprites (rate 0.1, "
                "0.01, 0.001; depth 2, 4, 6)." in text
            )
            assert "budget" in text


def test_a_run_that_was_there_already_learns_that_it_was_chosen():
    options = {"rate": 0.001, "depth": 4}
    first = pb.run(Planted, "dsprites", options=options, **RUN)
    assert first.config.method.budget is None
    made = pb.search(Planted, "dsprites", grid=GRID, **WORLD)
    again = pb.run(made.choice, "dsprites", **RUN)
    assert again.path == first.path
    assert again.config.run_id == first.config.run_id
    assert again.config.method.budget.n_tried == 9
    pb.search(Planted, "dsprites", grid={"depth": [4]}, options={"rate": 0.001}, **WORLD)
    small = pb.search(Planted, "dsprites", grid={"depth": [4]}, options={"rate": 0.001}, **WORLD)
    assert pb.run(small.choice, "dsprites", **RUN).config.method.budget.n_tried == 9
    assert pb.run(Planted, "dsprites", options=options, **RUN).config.method.budget.n_tried == 9


def test_points_that_cannot_be_fitted_count_and_say_why():
    made = pb.search(Planted, "dsprites", grid={"depth": [3, 4, "x"], "rate": [10, 0.1]}, **WORLD)
    assert made.best.options == {"depth": 4, "rate": 0.1}
    assert made.method.budget.n_tried == 6
    why = [point.failure for point in made.points]
    assert why[0] == "depth=3 is odd. Make it even."
    assert "validation loss is nan" in why[2]
    assert why[3] == ""
    assert "option 'depth' = 'x'" in why[4]
    with pytest.raises(ConfigError, match="none of 2 points could be fitted; the first: depth=3"):
        pb.search(Planted, "dsprites", grid={"depth": [3, 5]}, **WORLD)


def test_a_search_goes_on_where_it_stopped_and_a_longer_draw_holds_the_shorter_one():
    short = pb.search(Planted, "dsprites", grid=GRID, tries=3, seeds=[1], **WORLD)
    assert Planted.n_fits == len(short.points) == short.method.budget.n_tried == 3
    long = pb.search(Planted, "dsprites", grid=GRID, tries=5, seeds=[1], **WORLD)
    assert Planted.n_fits == len(long.points) == 5
    assert long.points[:3] == short.points
    other = pb.search(Planted, "dsprites", grid=GRID, tries=3, seeds=[2], **WORLD)
    assert [p.options for p in other.points] != [p.options for p in short.points]


def test_options_and_preset_hold_at_every_point():
    made = pb.search(Planted, "dsprites", grid={"rate": [1, 0.1]}, preset="paper", **WORLD)
    assert made.method.config["depth"] == 6
    assert made.method.label == "local/planted[preset=paper,rate=0.1]"
    made = pb.search(Planted, "dsprites", grid={"rate": [1, 0.1]}, options={"depth": 8}, **WORLD)
    assert (made.method.config["depth"], made.method.config["rate"]) == (8, 0.1)


@pytest.mark.parametrize(
    ("method", "said", "message"),
    [
        ("random-item", {"grid": GRID}, "no validation loss.*have one: .*local/planted"),
        (Planted(), {"grid": GRID}, "takes a name or a class"),
        (Planted, {}, "the grid is empty"),
        (Planted, {"grid": {"width": [1]}}, "no option 'width'. Options are: rate, depth"),
        (Planted, {"grid": {"shade": [0, 1]}}, "changes no fit, so no validation loss.*sweep"),
        (Planted, {"grid": {"target": ["a", "b"]}}, "not to compare.*-o target=VALUE"),
        (Planted, {"grid": {"rate": 3}}, "grid of 'rate' is 3"),
        (Planted, {"grid": {"rate": range(1, 1002)}}, "1,001 points, more than 1,000.*--tries"),
        (Planted, {"grid": GRID, "tries": 0}, "tries is 0"),
        (Planted, {"grid": GRID, "seeds": (0, 1)}, "one seed"),
        (Planted, {"named": "x1"}, "no grid is called 'x1'. Grids are: rebeca-e1"),
        (Planted, {"named": "rebeca-e1"}, "takes no value of the grid.*It is one of rebeca"),
    ],
)
def test_what_cannot_be_searched_is_one_line(method, said, message):
    pb.register("methods", "planted", Planted)
    with pytest.raises(ConfigError, match=message):
        pb.search(method, "dsprites", **said, **WORLD)
    assert Planted.n_fits == 0


def test_what_was_chosen_on_rows_that_are_tested_is_refused():
    made = pb.search(Planted, "dsprites", grid={"depth": [2, 4]}, split_seed=1, **WORLD)
    assert pb.run(made.choice, "dsprites", split_seed=1, **RUN).config.method.budget.n_tried == 2
    with pytest.raises(ConfigError, match=r"chosen on split .* \(seed 1\) of dsprites"):
        pb.run(made.choice, "dsprites", **RUN)
    elsewhere_ = {**RUN, "data_options": {"n_images": 44}}
    assert pb.run(made.choice, "dsprites", **elsewhere_).config.method.budget.n_tried == 2


def test_a_file_that_is_none_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"x\.json: no such search file"):
        pb.Search.read("x.json")
    (tmp_path / "x.json").write_text('{"method": 3}')
    with pytest.raises(DataError, match=r"x\.json: not a search: method"):
        pb.Search.read("x.json")


# --- the command --------------------------------------------------------------------------


def pgbench(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.output + done.stderr
    return done


WORDS = ("--dataset", "dsprites", "--data-option", "n_images=40")


def test_the_command_prints_a_sorted_table_and_run_takes_its_file():
    name = registry.register("methods", "planted", Planted).name
    grid = ("--grid", "rate=0.1,10,0.001", "--grid", "depth=4,3")
    done = pgbench("search", name, *WORDS, *grid, "--output", "best.json")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:5] == ["place", "loss", "rate", "depth", "fit"]
    assert [line[:4] for line in lines[2:4]] == [["1", "0", "0.001", "4"], ["2", "4", "0.1", "4"]]
    assert lines[4:8] == [
        ["failed", "0.1", "3"], ["failed", "10", "4", lines[5][3]],
        ["failed", "10", "3"], ["failed", "0.001", "3"],
    ]  # fmt: skip
    assert "failed    rate=0.1, depth=3: depth=3 is odd. Make it even." in done.stdout
    assert done.stdout.endswith(f"chosen    {name}[depth=4,rate=0.001], best.json\n")

    done = pgbench("run", "--chosen", "best.json", *WORDS, "--n-images", "2", "--no-beside")
    assert f"{name}[depth=4,rate=0.001]: chosen among 6 by validation loss" in done.stdout.replace(
        "\n", " "
    )
    assert "--chosen FILE" in pgbench("run", *WORDS, status=2).stderr


def test_the_command_refuses_a_method_without_a_loss_in_one_line():
    said = pgbench("search", "nearest-item", *WORDS, "--grid", "a=1", status=2).stderr
    assert said.startswith("error: method nearest-item has no validation loss")
    assert said.count("\n") == 1


# --- grids of the papers ------------------------------------------------------------------


def test_grids_of_the_papers_are_offered_and_hold_what_was_selected():
    assert grid_names() == ("rebeca-e1", "rebeca-v1-a1", "rebeca-v1-a1-second")
    # Numbers of points: 3*2*2*2*3*2 of appendix E.1; 4*5*4*4*2, then 4*5 of appendix A.1.
    for name, total in zip(grid_names(), (144, 640, 20), strict=True):
        grid = named_grid(name)
        cls = registry.get("methods", grid.method)
        tried, left_out = points.offered(grid, cls)
        assert left_out[: len(grid.left_out)] == [f"{k}: {v}" for k, v in grid.left_out.items()]
        points.check_grid(grid.method, cls(cls.Config()), tried)
        assert set(tried) == set(grid.grid)
        assert len(points.points_of(grid.grid, None, 0)) == total
        # What the paper selected is what the method's defaults are, and among what it searched.
        assert all(value in tried[option] for option, value in grid.selected.items())
        assert cls.Config().model_dump(include=set(grid.selected)) == grid.selected


def test_values_that_the_method_does_not_take_are_left_out_and_said():
    named = named_grid("rebeca-v1-a1").model_copy(
        update={"grid": {"rate": (0.1, "fast"), "width": (1,)}, "left_out": {"a": "b"}}
    )
    assert points.offered(named, Planted) == (
        {"rate": (0.1,)},
        ["a: b", "rate fast: not offered by the method", "width 1: not offered by the method"],
    )


def test_a_draw_has_no_twins_and_is_the_grids():
    grid = {"a": (1, 2, 3), "b": ("x", "y")}
    drawn = points.points_of(grid, 5, 0)
    assert len({tuple(point.values()) for point in drawn}) == 5
    assert all(point["a"] in grid["a"] and point["b"] in grid["b"] for point in drawn)
    assert points.points_of(grid, 6, 0) == points.points_of(grid, None, 0)


# --- a real prior -------------------------------------------------------------------------


def test_rebeca_does_not_choose_an_absurd_learning_rate():
    options = {"max_epochs": 3, "hidden_size": 16, "n_layers": 1, "n_heads": 2, "n_tokens": 4}
    grid = {"learning_rate": [30.0, 1e-3], "n_heads": [3, 2]}  # 3 does not divide 16
    made = pb.search("rebeca", "dsprites", grid=grid, options=options, **WORLD)
    assert made.best.options == {"learning_rate": 1e-3, "n_heads": 2}
    assert ["does not divide" in point.failure for point in made.points][::2] == [True, True]
    # The error of the clean embedding as a share of its variance: near 1 where little is learned.
    assert made.points[3].loss < 2 < made.points[1].loss
