"""What a user of the door says of a method: class, instance, options, presets; and mistakes."""

from typing import ClassVar

import numpy as np
import pytest

import persongen_bench as pb
from persongen_bench.api.local import as_choice
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.random_item import RandomItem
from persongen_bench.testing.check import check

SMALL = {"data_options": {"n_images": 40}, "n_images": 2, "beside": False}


class Settings(pb.Config):
    """One number."""

    width: int = 3
    """Nothing hangs on it."""


class Wide(RandomItem):
    """A method with an option and a preset that the board `controlled` prefers."""

    Config = Settings
    presets: ClassVar = {"controlled": {"width": 5}}

    def __init__(self, config=None):
        self.config = config or Settings()


class Refuses(Wide):
    """Declines every second sample."""

    def generate(self, samples):
        images = super().generate(samples)
        refusal = pb.Failure("filtered", "every second")
        return [refusal if s.index % 2 else image for s, image in zip(samples, images, strict=True)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("method", "settings", "label", "width"),
    [
        (Wide, {}, "local/wide", 5),  # the preset that the board prefers
        (Wide, {"options": {"width": 7}}, "local/wide[width=7]", 7),
        (Wide, {"preset": "controlled"}, "local/wide", 5),
        (Wide(), {}, "local/wide", 3),  # an instance is as it is
        (Wide(Settings(width=4)), {}, "local/wide[width=4]", 4),
    ],
)
def test_a_class_takes_options_and_presets_and_an_instance_has_its_own(
    method, settings, label, width
):
    made = pb.run(method, "dsprites", **SMALL, **settings)
    assert made.label == label
    assert made.config.method.config == {"width": width}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nimages": 3}, "no setting 'nimages'.*n_images"),
        ({"preset": "slow"}, "no preset 'slow'"),
        ({"options": {"x": 1}}, "option 'x'"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        pb.run(Wide, "dsprites", data_options={"n_images": 40}, **settings)
    assert not (tmp_path / "runs").exists()


def test_what_is_no_method_is_refused_and_not_registered():
    before = set(registry.entries("methods"))
    with pytest.raises(ConfigError, match="3 has no config"):
        as_choice(3)
    with pytest.raises(ConfigError, match="Settings is no method: it lacks Config, presets"):
        as_choice(Settings)
    with pytest.raises(ConfigError, match="takes a list of methods"):
        pb.run_many("random-item", "dsprites", **SMALL)
    assert set(registry.entries("methods")) == before


def test_the_images_of_a_run_are_scored_as_they_are_with_what_is_missing():
    made = pb.run(Refuses, "dsprites", **SMALL)
    given = pb.score(made.images, "dsprites", data_options={"n_images": 40}, n_images=2)
    assert given.summary.states == {"ok": 4, "missing": 4}  # four users, every second of two
    old, new = made.to_frame()["mean"], given.to_frame()["mean"]
    np.testing.assert_allclose(new, old, atol=1e-12)


def test_a_run_is_resumed_by_itself():
    made = pb.run("random-item", "dsprites", **SMALL)
    assert pb.resume(made).summary == made.summary


def test_a_class_is_checked_here_and_again_after_an_edit():
    assert check(Wide).passed
    name = pb.register("methods", "changing", Wide)
    report = check(name)
    assert report.passed
    assert "test_worker_does_not_matter" not in {result.name for result in report.results}
    broken = type("Wide", (Wide,), {"generate": lambda self, samples: [0 for _ in samples]})
    pb.register("methods", "changing", broken)
    assert not check(name).passed


def test_what_the_door_returns_says_what_it_is():
    dataset = pb.load_dataset("dsprites", n_images=40)
    # 40 sprites, rated by four people each; nine tenths of them are trained on.
    assert repr(dataset) == (
        "<Dataset dsprites: 40 items, 160 ratings by 4 users; splits item, row>"
    )
    assert repr(dataset.catalog).startswith("<Catalog of 40 items: colour, ")
    view = dataset.train_view(dataset.split())
    assert repr(view) == "<View of 36 items, 144 ratings by 4 users>"
    first, second = pb.run_many(["random-item", "nearest-item"], "dsprites", **SMALL)
    found = pb.compare(first, second)
    assert repr(found).startswith("<Comparison of random-item (seed 0) with nearest-item (seed 0)")
    row = next(row for row in found.metrics if row.metric == "true-taste")
    frame = found.to_frame()
    assert frame.loc["true-taste", "difference"] == row.difference.mean
    assert frame.loc["true-taste", "a"] == first.to_frame().loc["true-taste", "mean"]
    assert str(found).splitlines()[0].split() == ["a", "random-item", "(seed", "0)"]
    assert "true-taste" in found._repr_html_()
    assert repr(pb.leaderboard()) == "<Leaderboard of controlled: 2 methods and anchors>"


SCRIPT = """
from persongen_bench.methods.random_item import RandomItem
from persongen_bench.testing import MethodContract
class Mine(RandomItem): "A class of a script."
class Contract(MethodContract): method = Mine
if __name__ == "__main__":
    Contract().test_worker_does_not_matter()
    print("checked")
"""


def test_a_script_checks_its_class_in_another_process(tmp_path):
    """The other process loads the script without doing its work, which would go on for ever."""
    import subprocess
    import sys

    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["checked"]
