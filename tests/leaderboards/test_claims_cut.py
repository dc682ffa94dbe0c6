"""Claims and printed tables against those that were cut from the texts of the papers.

They lie beside some checkouts only; elsewhere these tests are skipped.
"""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from persongen_bench.leaderboards import boards
from persongen_bench.leaderboards.claims.reading import paper_names, read_paper
from persongen_bench.leaderboards.published import read_table

SHARED = Path(__file__).parents[3] / "shared/data/reported"
TABLES = Path(boards.__file__).parent / "reported"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the cut tables are not here")


def cut(file):
    with (SHARED / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def numbers(text):
    return [float(x) for x in re.findall(r"-?[\d.]+", text)]


@shared
def test_every_claim_is_the_one_that_was_cut_from_the_text():
    lines = cut("claims.csv")
    claims = [claim for name in paper_names() for claim in read_paper(name)[1]]
    assert [claim.name for claim in claims] == [line["id"] for line in lines]
    verdict = {"yes": True, "no": False, "": None}
    for claim, line in zip(claims, lines, strict=True):
        assert claim.says == line["direction"], claim.name
        assert claim.holds == verdict[line["holds_in_printed_numbers"]], claim.name
        assert claim.where == line["section"], claim.name
        if claim.printed or not line["printed"].startswith("figure only"):
            assert numbers(claim.printed) == numbers(line["printed"]), claim.name


CUT = {
    "000_table1.csv": ("rebeca_v1_table1",),
    "000_table2.csv": ("rebeca_v1_table2",),
    "001_table1.csv": ("rebeca_table1",),
    "001_table2.csv": ("rebeca_table2",),
    "002_table1.csv": ("ragar_table1_pog", "ragar_table1_posters", "ragar_table1_stickers"),
    "002_table3.csv": ("ragar_table3",),
    "002_table4.csv": ("ragar_table4_pog", "ragar_table4_posters"),
    "003_table1.csv": ("pigeon_table1_stickers", "pigeon_table1_posters"),
    "003_table3.csv": ("pigeon_table3",),
    "004_table4.csv": ("imagegem_table4_cars", "imagegem_table4_dogs", "imagegem_table4_scenery"),
    "004_table5.csv": ("imagegem_table5",),
    "004_table6.csv": ("imagegem_table6",),
    "004_table7.csv": ("imagegem_table7_image", "imagegem_table7_model"),
    "004_table9.csv": ("imagegem_table9",),
    "004_table10.csv": ("imagegem_table10",),
    "004_table1.csv": ("imagegem_table1",),
    "004_table11.csv": ("imagegem_table11",),
}
TYPED = ("rebeca_text",)
"""Numbers of the running text, in no table."""
TEXTS = {"dataset", "scenario", "group", "method", "variant", "topic", "checkpoint", "task",
         "model_type", "layer_type", "std_dev", "k", "stage", "user", "model_version_id", "prompt",
         "seeds"}  # fmt: skip
"""Columns that are no score of a method."""


@shared
@pytest.mark.parametrize("file", CUT)
def test_the_printed_tables_are_the_cut_ones(file):
    """The same numbers as printed, as often: nothing is lost, nothing is added."""
    cells = [x for row in cut(file) for key, x in row.items() if key not in TEXTS]
    theirs = Counter(float(x.replace(",", "")) for x in cells if x not in ("", "-", "/"))
    tables = [read_table(TABLES / f"{name}.json") for name in CUT[file]]
    ours = Counter(x for table in tables for row in table.rows for x in row.metrics.values())
    assert ours == theirs


@shared
def test_the_numbers_of_the_running_text_are_the_typed_ones():
    typed = {row["quantity"]: row["printed"] for row in cut("001_text_numbers.csv")}
    (table,) = (read_table(TABLES / f"{name}.json") for name in TYPED)
    ours = {metric: x for row in table.rows for metric, x in row.metrics.items()}
    assert ours == {
        "verifier-train-auc": float(typed["verifier ROC-AUC, train and test"]),
        "verifier-test-auc": float(typed["verifier ROC-AUC, train and test"]),
        "aesthetics-r2": float(typed["R^2 verifier vs LAION"]),
    }


def test_every_table_that_ships_is_compared_with_a_cut_one():
    cut_ones = {f"{name}.json" for names in CUT.values() for name in names}
    assert cut_ones | {f"{name}.json" for name in TYPED} == {file.name for file in TABLES.iterdir()}
