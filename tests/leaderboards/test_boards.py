"""Boards are data, found by name, track and data set; a bad file is one line that names it."""

import json
import re
import tomllib
from importlib import resources

import pytest
from plugin_case import fresh_registry, install
from pydantic import ValidationError
from refusals import refused

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError, UnknownNameError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.board import (
    Board,
    board_for,
    boards_of,
    get_board,
    read_boards,
)
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.published import CAVEAT, ReportedTable, reported_tables

OWN = [name for name in registry.entries("boards") if "/" not in name]
CONTROLLED = get_board("controlled")
FILES = resources.files("persongen_bench.leaderboards.boards")
SHOP = """\
title = "Shop"
track = "prompt-free"
datasets = [{datasets}]
stack = "pixels"
headline = "taste-gap"
taste = "taste-gap"
n_images = 3
n_history = 4
columns = [{{ metric = "taste-gap", range = [-1.0, 1.0] }}]
baselines = ["shop-tools/draw"]
anchors = []
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A package with a board; the data sets it takes, or another text of its file, may be given."""

    def make(datasets='"shop-tools/shop"', text=None, name="shop"):
        files = {
            "shop_tools/__init__.py": "",
            f"shop_tools/{name}.toml": text or SHOP.format(datasets=datasets),
        }
        install(tmp_path, monkeypatch, {"boards": {name: f"shop_tools:{name}"}}, files)

    return make


@pytest.fixture
def fresh(monkeypatch):
    fresh_registry(monkeypatch)


# --- the boards that ship ------------------------------------------------------------------


def test_every_file_is_a_board_and_every_board_a_file():
    files = {file.name for file in FILES.iterdir() if file.name.endswith(".toml")}
    assert files == {f"{name.replace('-', '_')}.toml" for name in OWN}
    assert set(OWN) == {
        "tasteworld", "tasteworld-reference", "controlled", "cold-start", "catalogue", "flickr-aes",
        "stickers", "posters", "fashion", "catalogue-reference", "tasteworld-alignment",
        "movies", "image-retrieval", "model-retrieval", "alignment", "model-editing",
        "flickr-aes-paper",
    }  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_metric_names_are_unique_and_the_headline_is_one(name):
    board = get_board(name)
    assert board.name == name
    assert len(set(board.metrics)) == len(board.metrics)
    assert board.headline in board.metrics
    assert len(set(board.anchors)) == len(board.anchors)


@pytest.mark.parametrize("name", OWN)
def test_columns_agree_with_the_cards_of_the_metrics(name):
    for column in get_board(name).columns:
        info = parse_metric(column.metric).info
        assert column.range == info.range, column.metric
        # a board may say that a column has no better end; it may not turn one around
        assert column.direction in (info.direction, "none"), column.metric


@pytest.mark.parametrize("name", OWN)
def test_what_a_board_names_is_registered(name):
    board = get_board(name)
    methods = registry.entries("methods")
    assert {*board.methods, *board.baselines, *board.anchors} <= set(methods)
    assert {board.stack, board.fallback_stack or board.stack} <= set(registry.entries("stacks"))
    datasets = registry.entries("datasets")
    assert {dataset for dataset in board.datasets if "*" not in dataset} <= set(datasets)


def test_the_controlled_board_is_the_papers_experiment():
    assert CONTROLLED.n_images == 25  # REBECA sec. 3.3: k in {1, 5, 10, 20, 25}
    for k in (1, 5, 10, 20):  # Table 1
        assert {f"precision@{k}", f"recall@{k}"} <= set(CONTROLLED.metrics)
    assert "mean-embedding" in CONTROLLED.baselines


def test_cold_start_is_the_protocol_of_tasteworld_on_another_split():
    cold, warm = get_board("cold-start"), get_board("tasteworld")
    assert (cold.track, cold.split, cold.datasets) == ("cold-start", "cold-start", warm.datasets)
    assert cold.metrics == (warm.headline, warm.taste)
    for field in ("stack", "methods", "baselines", "anchors", "n_images", "n_history", "preset"):
        assert getattr(cold, field) == getattr(warm, field), field


def test_flickr_is_drawn_by_the_papers_decoder_or_what_ships():
    board = get_board("flickr-aes")
    assert (board.stack, board.fallback_stack) == ("sd15", "sandbox")


def test_flickr_as_printed_has_a_column_for_every_number_that_the_papers_print():
    board = get_board("flickr-aes-paper")
    plain = get_board("flickr-aes")
    for field in ("datasets", "track", "stack", "fallback_stack", "methods", "n_images"):
        assert getattr(board, field) == getattr(plain, field), field
    for table in reported_tables(board):
        held_out = {"fid@clean", "cmmd@v"}  # stand in the columns of the catalogue
        for row in table.rows:
            assert set(row.metrics) - held_out <= set(board.metrics), table.title
            assert row.metrics.get("fid@clean") == row.metrics.get("fid@clean-catalogue")
    # the verifier's is the matrix that the published test permutes (REBECA, sec. 4.5)
    assert board.taste == board.metrics[0] == "verifier"


# --- what may rank -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "direction", "message"),
    [
        ("fid@clean", "lower", "fid@clean cannot be the headline, since it has no failed value"),
        ("verifier-auc", "higher", "verifier-auc cannot be the headline"),
        ("aesthetic@v2", "higher", "aesthetic@v2 cannot.*since it has no worst value"),
        ("lpips@history", "lower", "lpips@history cannot.*since it has no worst value"),
        ("copy-rate", "higher", "copy-rate says that higher is better, its card says lower"),
    ],
)
def test_a_headline_lets_failures_count_as_the_worst(shop, fresh, metric, direction, message):
    text = SHOP.format(datasets='"shop-tools/shop"').replace(
        "columns = [", f'columns = [{{ metric = "{metric}", direction = "{direction}" }}, '
    )
    shop(text=text.replace('headline = "taste-gap"', f'headline = "{metric}"'))
    with pytest.raises(ConfigError, match=f"board shop-tools/shop: .*{message}.*[A-Z].* by|say"):
        get_board("shop-tools/shop")


def test_every_board_that_ships_ranks_by_a_metric_that_counts_failures():
    for name in OWN:
        assert parse_metric(get_board(name).headline).info.can_rank


def test_a_headline_that_is_not_installed_is_taken_at_its_word(shop, fresh):
    shop(text=SHOP.format(datasets='"shop-tools/shop"').replace(
        'columns = [', 'columns = [{ metric = "elsewhere/best" }, '
    ).replace('headline = "taste-gap"', 'headline = "elsewhere/best"'))  # fmt: skip
    assert get_board("shop-tools/shop").headline == "elsewhere/best"


# --- which board ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "board"),
    [
        ("dsprites", "controlled"),
        ("folder", "catalogue"),
        ("flickr-aes", "flickr-aes"),
        ("ser30k", "stickers"),
        ("pog", "fashion"),
        ("some-dist/shop", "catalogue"),
    ],
)
def test_every_dataset_has_its_board(dataset, board):
    assert board_for(dataset).name == board


def test_movies_go_to_the_board_of_their_first_track_and_lists_to_their_own():
    tracks = registry.get("datasets", "ml-latest-small").tracks
    assert board_for("ml-latest-small", tracks=tracks).name == "posters"
    assert board_for("ml-latest-small", "recommendation").name == "movies"
    assert board_for("tasteworld", "recommendation").name == "image-retrieval"
    assert board_for("tasteworld-loras", "recommendation").name == "model-retrieval"


def test_a_folder_has_a_board_of_each_of_its_tracks():
    assert board_for("folder", "reference").name == "catalogue-reference"
    assert board_for("folder", tracks=("prompt-free", "reference")).name == "catalogue"


def test_the_first_track_of_the_data_set_that_has_a_board_decides():
    assert board_for("tasteworld", tracks=("prompt-free", "cold-start")).name == "tasteworld"
    assert board_for("tasteworld", tracks=("cold-start", "prompt-free")).name == "cold-start"
    assert board_for("tasteworld", tracks=("controlled", "prompt-free")).name == "tasteworld"
    with pytest.raises(ConfigError, match="no board takes data set 'tasteworld'"):
        board_for("tasteworld", tracks=("controlled",))


def test_a_track_that_is_named_goes_before_those_of_the_data_set():
    assert board_for("tasteworld", "cold-start", tracks=("prompt-free",)).name == "cold-start"
    with pytest.raises(ConfigError, match=r"'tasteworld' on track 'controlled'\. Boards that take"):
        board_for("tasteworld", "controlled", tracks=("prompt-free",))


def test_a_board_that_is_named_must_take_the_data_set_and_the_track():
    assert board_for("tasteworld", board="cold-start", tracks=("prompt-free",)).name == "cold-start"
    assert board_for("tasteworld", "cold-start", "cold-start").name == "cold-start"
    with pytest.raises(ConfigError) as error:
        board_for("dsprites", board="tasteworld")
    assert str(error.value) == (
        "board tasteworld takes tasteworld on track prompt-free, not data set 'dsprites'. "
        "Boards that take dsprites are: controlled (dsprites on track controlled)."
    )
    with pytest.raises(ConfigError, match="not data set 'tasteworld' on track 'cold-start'"):
        board_for("tasteworld", "cold-start", "tasteworld")


def test_a_dataset_without_a_board_is_an_error_that_lists_them():
    with pytest.raises(ConfigError, match=r"'polyvore'\. Boards are: .*controlled \(dsprites on t"):
        board_for("polyvore")


def test_a_near_miss_is_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean controlled"):
        get_board("controled")
    with pytest.raises(UnknownNameError, match="See `pgbench list boards`"):
        get_board("zzzz")


def test_a_third_partys_board_goes_before_a_pattern(shop):
    shop()
    assert get_board("shop-tools/shop").name == "shop-tools/shop"
    assert [b.name for b in boards_of("shop-tools/shop")] == [
        "shop-tools/shop", "catalogue", "catalogue-reference",
    ]  # fmt: skip
    assert board_for("shop-tools/shop", "prompt-free").name == "shop-tools/shop"
    assert board_for("other/shop").name == "catalogue"
    with pytest.raises(UnknownNameError, match="Did you mean shop-tools/shop"):
        get_board("shop")


def test_of_equals_the_built_in_goes_first_then_the_name(shop, fresh):
    shop('"folder", "tasteworld"')
    board = get_board("shop-tools/shop")
    registry.register("boards", "a", board)
    assert [b.name for b in boards_of("tasteworld", "prompt-free")] == [
        "tasteworld", "local/a", "shop-tools/shop",
    ]  # fmt: skip
    assert board_for("folder").name == "catalogue"


# --- what a file may say -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("stack =", "stak =", r"shop\.toml: field 'stak': there is no such field.*stack, "),
        ("n_images = 3", "", r"shop\.toml: field 'n_images': Field required"),
        ("n_images = 3", 'n_images = "many"', r"shop\.toml: field 'n_images': .*integer"),
        ("range = [-1.0", "rnge = [-1.0", r"'columns\.0\.rnge': there is no such.*are: metric, "),
        ("[-1.0, 1.0]", "[1.0, -1.0]", r"'columns\.0': column taste-gap: the range must ascend"),
        ('headline = "taste-gap"', 'headline = "hpsv2"', r"shop\.toml: .*among the columns"),
        ('title = "Shop"', 'title = "Shop', r"shop\.toml: not a TOML file: .*line 1"),
        ('title = "Shop"', 'name = "x"', r"shop\.toml: field 'name'.*The entry point names"),
        ('["shop-tools/draw"]', '"draw"', r"field 'baselines': Input should be a valid tuple"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it_and_the_field(shop, old, new, problem):
    text = SHOP.format(datasets='"folder"')
    assert old in text
    shop(text=text.replace(old, new))
    with refused(problem, error=ConfigError):
        get_board("shop-tools/shop")


def test_a_missing_file_is_told(tmp_path, monkeypatch):
    points = {"boards": {"gone": "shop_tools:gone"}}
    install(tmp_path, monkeypatch, points, {"shop_tools/__init__.py": ""})
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file\. Repair the board's entry"):
        get_board("shop-tools/gone")


def test_one_broken_board_hides_no_other_and_is_told_where_none_fits(shop):
    shop(text="title = 1")
    boards, broken = read_boards()
    assert set(boards) == set(OWN)
    assert set(broken) == {"shop-tools/shop"}
    assert board_for("dsprites").name == "controlled"
    with pytest.raises(ConfigError, match=r"Board shop-tools/shop does not read: .*shop\.toml"):
        board_for("polyvore")


def test_a_local_board_may_be_a_file_a_dict_or_a_board(fresh, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(SHOP.format(datasets='"local/photos"'), encoding="utf-8")
    fields = tomllib.loads(file.read_text(encoding="utf-8"))
    copy = get_board("tasteworld").model_copy(update={"n_images": 2})
    for source in (file, str(file), fields, {**fields, "name": "other"}):
        registry.register("boards", "mine", source)
        assert get_board("local/mine").name == "local/mine"
        assert board_for("local/photos").n_images == 3
    registry.register("boards", "mine", copy)
    assert get_board("local/mine") == copy.model_copy(update={"name": "local/mine"})
    registry.register("boards", "mine", {**fields, "colour": "red"})
    with pytest.raises(ConfigError, match="board local/mine: field 'colour': there is no such"):
        get_board("local/mine")


def test_a_board_cannot_rank_by_what_it_does_not_show():
    values = CONTROLLED.model_dump() | {"headline": "hpsv2"}
    with pytest.raises(ValidationError, match="among the columns"):
        Board.model_validate(values)
    values = CONTROLLED.model_dump() | {"headline": "history-similarity"}
    with pytest.raises(ValidationError, match="needs a direction"):
        Board.model_validate(values)


def test_a_metric_has_one_column():
    columns = (*CONTROLLED.columns, CONTROLLED.columns[0])
    with pytest.raises(ValidationError, match="a metric has two columns"):
        Board.model_validate(CONTROLLED.model_dump() | {"columns": columns})


# --- printed numbers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exponent", "value", "text"),
    [
        (0, 0.78249, "0.782"),
        (-3, 0.0034094, "3.409"),  # Table 1 prints recall@20 = 3.409 in units of 1e-3
        (0, -0.00004, "0.000"),  # no "-0.000"
        (0, -0.5, "-0.500"),
        (0, None, "\N{EN DASH}"),
    ],
)
def test_numbers_have_one_printed_form(exponent, value, text):
    assert Column(metric="m", exponent=exponent).format(value) == text


K = (1, 5, 10, 20)


def _printed(row, metric):
    return [CONTROLLED.column(f"{metric}@{k}").format(row[f"{metric}@{k}"]) for k in K]


def test_reported_rows_are_those_of_rebeca_table_1():
    (table,) = reported_tables(CONTROLLED)
    rows = {row.method: row.metrics for row in table.rows}
    # REBECA (full paper), Table 1; recall is printed there in units of 1e-3
    assert _printed(rows["REBECA"], "precision") == ["0.782", "0.782", "0.789", "0.799"]
    assert _printed(rows["REBECA"], "recall") == ["0.167", "0.835", "1.685", "3.409"]
    assert _printed(rows["Random"], "precision") == ["0.290", "0.282", "0.287", "0.291"]
    assert _printed(rows["Random"], "recall") == ["0.062", "0.301", "0.613", "1.244"]
    assert rows["Mean (deterministic)"] == {"precision@1": 1.0, "recall@1": 0.000214}
    assert set().union(*rows.values()) <= set(CONTROLLED.metrics)


def test_reported_rows_of_the_reference_boards_are_printed_numbers_in_units():
    """Cells read off Table 1 of papers 003 (LPIPS, MS-SSIM and FID raw, the rest x 100) and 002."""
    pigeon, _, ragar = reported_tables(get_board("stickers"))
    assert (pigeon.title, ragar.title) == ("Pigeon, Table 1, sticker", "RAGAR, Table 1, Sticker")
    rows = {row.method: row.metrics for row in pigeon.rows}
    assert rows["TI"]["overall"] == 0.3691
    assert (rows["TI"]["lpips-vgg@history"], rows["TI"]["fid@pytorch"]) == (0.7654, 105.48)
    (fashion,) = reported_tables(get_board("fashion"))
    last = {row.method: row.metrics for row in fashion.rows}["RAGAR"]
    assert (last["cis@reference"], last["lpips@history"]) == (0.7455, 0.5593)
    for name in ("stickers", "posters", "fashion"):
        board = get_board(name)
        for table in reported_tables(board):
            printed = {metric for row in table.rows for metric in row.metrics}
            assert len(printed & set(board.metrics)) >= min(4, len(printed) - 1)


# --- reported tables -----------------------------------------------------------------------

PERCENT = {
    "schema_version": 1, "title": "A, Table 2", "source": "A. Author", "world": "elsewhere",
    "scale": 0.01, "scales": {"recall@20": 0.001},
    "rows": [{"method": "Ours", "metrics": {"precision@20": 21.4, "recall@20": 3.409}}],
}  # fmt: skip


def test_a_printed_number_times_its_scale_is_in_the_metrics_unit():
    table = ReportedTable.model_validate(PERCENT).in_units()
    # 21.4 percent and 3.409 thousandths; 21.4 * 0.01 in binary would be 0.21400000000000002
    assert table.rows[0].metrics == {"precision@20": 0.214, "recall@20": 0.003409}
    assert (table.scale, table.scales) == (1.0, {})
    assert table.in_units() == table


def reporting(folder, *tables, reported=None):
    """A local board whose file names these tables, which lie beside it."""
    names = [f"papers/{i}.json" for i in range(len(tables))] if reported is None else reported
    (folder / "papers").mkdir()
    for i, table in enumerate(tables):
        text = table if isinstance(table, str) else json.dumps(table)
        (folder / "papers" / f"{i}.json").write_text(text, encoding="utf-8")
    text = (FILES / "controlled.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^reported = .*$", f"reported = {json.dumps(names)}", text)
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    registry.register("boards", "mine", folder / "mine.toml")
    return get_board("local/mine")


def test_tables_lie_beside_the_boards_own_file(fresh, tmp_path):
    second = {**PERCENT, "title": "B, Table 1", "scale": 1.0, "scales": {}, "caveat": "by eye"}
    tables = reported_tables(reporting(tmp_path, PERCENT, second))
    assert [table.title for table in tables] == ["A, Table 2", "B, Table 1"]
    assert [table.rows[0].metrics["precision@20"] for table in tables] == [0.214, 21.4]
    assert [table.caveat for table in tables] == [CAVEAT, "by eye"]
    assert tables[1].about == "A. Author; by eye (elsewhere)"


def test_a_third_partys_tables_lie_in_its_own_package(tmp_path, monkeypatch):
    text = 'reported = ["papers/a.json"]\n' + SHOP.format(datasets='"shop-tools/shop"')
    files = {
        "shop_tools/__init__.py": "",
        "shop_tools/shop.toml": text,
        "shop_tools/papers/a.json": json.dumps(PERCENT),
    }
    install(tmp_path, monkeypatch, {"boards": {"shop": "shop_tools:shop"}}, files)
    (table,) = reported_tables(get_board("shop-tools/shop"))
    assert table.title == "A, Table 2"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("{", r"papers/0\.json: not valid JSON"),
        ({**PERCENT, "scales": {"recall@5": 0.1}}, r"papers/0\.json: scales: no row has recall@5"),
        ({**PERCENT, "scale": 0}, r"papers/0\.json: field 'scale': .*greater than 0"),
        ({**PERCENT, "unit": "%"}, r"papers/0\.json: field 'unit': Extra inputs"),
        ({k: v for k, v in PERCENT.items() if k != "source"}, r"field 'source': Field required"),
    ],
)
def test_a_bad_table_is_one_line_that_names_it(fresh, tmp_path, table, problem):
    with refused(problem):
        reported_tables(reporting(tmp_path, table))


def test_an_unknown_reported_table_is_a_clear_error(fresh, tmp_path):
    with pytest.raises(DataError, match=r"papers/none\.json: no such table"):
        reported_tables(reporting(tmp_path, reported=["papers/none.json"]))


@pytest.mark.parametrize("file", ["../secret.json", "/etc/secret.json", "papers/../../x.json"])
def test_no_table_lies_outside_the_boards_folder(fresh, tmp_path, file):
    with pytest.raises(ConfigError, match="does not lie beside the board's file"):
        reporting(tmp_path, reported=[file])


def test_a_board_without_a_file_has_no_tables_beside_it(fresh):
    registry.register("boards", "mine", CONTROLLED)
    with pytest.raises(ConfigError, match=r"has no file for reported/rebeca_table1\.json to lie"):
        get_board("local/mine")
    registry.register("boards", "mine", CONTROLLED.model_copy(update={"reported": ()}))
    assert reported_tables(get_board("local/mine")) == ()
