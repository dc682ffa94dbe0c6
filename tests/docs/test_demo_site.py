"""The site under docs is whole, and has the scripts of this version."""

import filecmp
from pathlib import Path

from persongen_bench.site.check import check

DEMO = Path(__file__).parents[2] / "docs" / "demo"
ASSETS = Path(__file__).parents[2] / "persongen_bench" / "site" / "assets"


def test_nothing_in_it_leads_to_nothing():
    assert check(DEMO) == []


def test_its_scripts_are_those_of_the_package():
    """Where they differ: `make demo`, then `pgbench site runs --out docs/demo --pictures 432`."""
    own = sorted(f.relative_to(ASSETS) for f in ASSETS.rglob("*") if f.is_file())
    there = sorted(
        f.relative_to(DEMO / "assets") for f in (DEMO / "assets").rglob("*") if f.is_file()
    )
    assert there == own
    assert all(filecmp.cmp(ASSETS / f, DEMO / "assets" / f, shallow=False) for f in own)
