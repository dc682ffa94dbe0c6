"""Which stack a run uses where none is named, and what is checked before anything is fitted."""

import pytest
from published_case import tiny_folder

from persongen_bench.api.campaign import Campaign
from persongen_bench.api.executing import execute
from persongen_bench.api.stacks import choose_stack
from persongen_bench.core.errors import ConfigError, MissingRoleError
from persongen_bench.leaderboards.board import get_board
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.terms import Terms
from persongen_bench.methods.random_item import RandomItem
from persongen_bench.stacks.pixels import PixelsStack
from persongen_bench.stacks.sandbox import SandboxStack

FLICKR = get_board("flickr-aes")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without published weights."""
    monkeypatch.setenv("PGBENCH_MODELS", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_without_the_published_files_the_sandbox_steps_in_and_says_so(nowhere):
    chosen = choose_stack(None, FLICKR)
    assert chosen.name == "sandbox"
    assert chosen.notice.startswith("using stack sandbox: the stack of board flickr-aes is not")
    assert "`pgbench models pull sd15`" in chosen.notice
    assert "\n" not in chosen.notice


@pytest.mark.slow
def test_with_the_published_files_they_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_MODELS", str(tmp_path))
    (tmp_path / "sd15").symlink_to(tiny_folder("sd15"))
    assert choose_stack(None, FLICKR) == choose_stack("sd15", FLICKR)
    assert choose_stack(None, FLICKR).notice is None


def test_a_named_stack_is_taken_at_its_word(nowhere):
    assert choose_stack("pixels", FLICKR).name == "pixels"
    assert choose_stack("pixels", FLICKR).notice is None


def test_a_board_of_a_shipped_stack_looks_for_no_files():
    assert choose_stack(None, get_board("tasteworld")).name == "sandbox"


def terms(*metrics, track="prompt-free"):
    return Terms("catalogue", track, metrics, n_images=1, n_history=1)


def test_every_method_and_metric_that_lacks_a_model_is_named_at_once():
    choices = [MethodChoice(name) for name in ("rebeca", "nearest-item", "textual-inversion")]
    with pytest.raises(MissingRoleError) as caught:
        check_needs(PixelsStack(), terms("novelty", "cis@history"), choices)
    said = str(caught.value)
    assert "method rebeca needs decoder" in said
    assert "method textual-inversion needs decoder" in said
    assert "metric cis@history looks through clip" in said
    assert "nearest-item needs" not in said
    assert "novelty looks" not in said
    assert "`--stack sandbox`" in said


def test_a_stack_that_has_everything_passes():
    board = get_board("tasteworld")
    choices = [MethodChoice(name) for name in (*board.methods, *board.baselines, *board.anchors)]
    check_needs(SandboxStack(), terms(*board.metrics), choices)


def test_nothing_is_fitted_where_something_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    asked = Campaign(
        ("rebeca",), "dsprites", tmp_path / "runs", {"n_images": 40}, stack="pixels", beside=False
    )
    with pytest.raises(MissingRoleError, match="method rebeca needs decoder"):
        list(execute(asked, Execution()))
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "cache" / "fits").exists()


class Ranks(RandomItem):
    """Makes another kind of answer."""

    makes = "ranking"


def test_a_method_of_another_kind_is_refused(monkeypatch):
    from persongen_bench.core import registry

    registry.register("methods", "ranks", Ranks)
    with pytest.raises(ConfigError, match="local/ranks makes rankings, track prompt-free asks"):
        check_needs(PixelsStack(), terms(), [MethodChoice("local/ranks")])


def test_a_metric_that_cannot_read_the_answers_is_refused(monkeypatch):
    from persongen_bench.core import registry

    class Recommend:
        output, unit = "ranking", "prompt"

    registry.register("tracks", "recommend", Recommend)
    asked = terms("novelty", "taste-gap", track="local/recommend")
    with pytest.raises(ConfigError) as caught:
        check_needs(PixelsStack(), asked, [])
    said = str(caught.value)
    assert "metric novelty reads images, track local/recommend has rankings" in said
    assert "metric taste-gap compares users, the unit of local/recommend is prompt" in said
