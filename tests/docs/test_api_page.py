"""The page of the Python interface has everything that the package offers."""

import re
from pathlib import Path

import persongen_bench as pb
from persongen_bench.api.running import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_name_of_the_door_and_every_metric_has_a_section():
    headings = set(re.findall(r"^### (.*)$", PAGE, re.M))
    offered = {f"pb.{name}" for name in set(pb.__all__) - {"metrics", "testing"}}
    assert headings == offered | {f"pb.metrics.{name}" for name in pb.metrics.__all__}


def test_every_section_says_something():
    for section in PAGE.split("\n### ")[1:]:
        words = re.sub(r"```python\n.*?```", "", section, flags=re.S).split()
        assert len(words) > 4, section


def test_every_setting_is_explained():
    rows = dict(re.findall(r"^\| `(\w+)` \| `.*?` \| (.*?) \|$", PAGE, re.M))
    assert set(rows) == set(Settings.__annotations__)
    assert all(rows.values())


def test_shapes_stand_in_the_signatures_of_the_metrics():
    # As in `metrics/functions.py`.
    assert "first: UInt8[np.ndarray, '*n 3 h w'],\n" in PAGE
    assert "def " not in PAGE
