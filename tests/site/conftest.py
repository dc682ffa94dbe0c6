"""One small world, its runs, and the site of them."""

import pytest
from site_case import draw_runs, small_world
from site_visit import Visit

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


@pytest.fixture
def visit(browser, site):
    """Makes visits; each must have been without errors and requests to elsewhere."""
    made = []

    def start(route, **options):
        made.append(Visit(browser, site, **options))
        made[-1].go(route)
        return made[-1]

    yield start
    for one in made:
        one.check()
        one.context.close()
