"""One small world, its runs, and the site of them."""

import pytest
from site_case import draw_runs, small_world

import persongen_bench as pb


@pytest.fixture(scope="session")
def world():
    return small_world()


@pytest.fixture(scope="session")
def runs(world, tmp_path_factory):
    return draw_runs(tmp_path_factory.mktemp("site"), world)


@pytest.fixture(scope="session")
def site(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "site"
    pb.build_site(runs, out)
    return out
