"""Sweeps: which runs a product makes, what it refuses, and that its runs share their fits."""

from pathlib import Path

import pytest
from planted_search import Planted

import persongen_bench as pb
from persongen_bench.api import campaign
from persongen_bench.api.sweeping import MOST_RUNS
from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.choice import MethodChoice

SMALL = {"data_options": {"n_images": 40}, "n_images": 2, "beside": False}


def labels(*methods, **options):
    plan = campaign.Campaign(methods, "tasteworld", Path("runs"), beside=False, **options)
    return [choice.label for choice, _ in campaign.choices(plan)]


def test_two_factors_make_their_product_and_one_is_as_before():
    # Figure 6 of the paper: every guidance of the prior with every guidance of the decoder.
    sweep = {"guidance_scale": (1, 5), "decoder_guidance_scale": (2, 3)}
    assert labels("rebeca", sweep=sweep) == [
        f"rebeca[decoder_guidance_scale={d},guidance_scale={g}]" for g in (1, 5) for d in (2, 3)
    ]
    one = {"guidance_scale": (1, 5)}
    assert labels("rebeca", sweep=one) == ["rebeca[guidance_scale=1]", "rebeca[guidance_scale=5]"]
    assert labels("rebeca", sweep=one, options={"prompt": "a cat", "guidance_scale": 9}) == [
        "rebeca[guidance_scale=1,prompt=a cat]", "rebeca[guidance_scale=5,prompt=a cat]",
    ]  # fmt: skip


def test_methods_with_options_of_their_own_are_not_swept():
    own = MethodChoice("rebeca", options={"prompt": "x"})
    sweep = {"guidance_scale": (1, 2)}
    assert labels(own, "rebeca", sweep=sweep)[0] == "rebeca[prompt=x]"
    with pytest.raises(ConfigError, match="no method to vary"):
        labels(own, sweep=sweep)


def test_more_runs_than_anybody_means_are_refused():
    values = tuple(range(MOST_RUNS // 4))
    sweep = {"guidance_scale": values, "decoder_steps": (1, 2)}
    assert len(labels("rebeca", "rebeca-no-user", sweep=sweep)) == MOST_RUNS
    with pytest.raises(ConfigError, match=r"makes 400 runs, more than 200\. .*pgbench search"):
        labels("rebeca", "rebeca-no-user", sweep=sweep, seeds=(0, 1))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    Planted.n_fits = 0


@pytest.mark.usefixtures("elsewhere")
def test_runs_of_one_fit_share_it():
    sweep = {"depth": [2, 4], "shade": [0, 1, 2]}
    made = pb.run_many([Planted], "dsprites", sweep=sweep, **SMALL)
    assert [run.label for run in made] == [
        f"local/planted[depth={depth},shade={shade}]" for depth in (2, 4) for shade in (0, 1, 2)
    ]
    assert Planted.n_fits == 2
    assert len({run.config.run_id for run in made}) == 6


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"depth": 2}, "sweep of 'depth' is 2.*list"),
        ({"depth": "2,4"}, "sweep of 'depth' is '2,4'"),
        ({"depth": []}, r"sweep of 'depth' is \[\]"),
    ],
)
def test_what_is_no_list_of_values_is_refused(sweep, message):
    with pytest.raises(ConfigError, match=message):
        pb.run_many([Planted], "dsprites", sweep=sweep, **SMALL)


def test_run_makes_one_run():
    with pytest.raises(ConfigError, match=r"run makes one run.*run_many"):
        pb.run(Planted, "dsprites", sweep={"depth": [2, 4]}, **SMALL)
