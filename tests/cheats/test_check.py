"""What `pgbench check` says of methods that cheat: by a run of them, then by their contract."""

import sys

import pytest

from persongen_bench.instruments.checked_run import RunMethodContract
from persongen_bench.instruments.checking import check
from persongen_bench.testing.require import ContractError, FatalError

SEEN = {
    "knows-the-check": "was refused", "imported": "was refused", "importlib": "was refused",
    "program": "was refused", "by-batch": "made again differ", "by-order": "made again differ",
}  # fmt: skip
FATAL = {"ends": "its process ended", "crashes": "SIGSEGV", "exits-in-fit": "SystemExit"}


def contract(name):
    checked = RunMethodContract()
    checked.method, checked.seed = f"cheat-tools/{name}", 5
    checked.forget()
    return checked


@pytest.mark.parametrize("name", SEEN)
def test_a_run_of_it_tells(place, name):
    checked = contract(name)
    checked.test_run_ends_well()
    with pytest.raises(ContractError, match=SEEN[name]):
        checked.test_run_refuses_nothing()


@pytest.mark.parametrize("name", FATAL)
def test_what_would_end_the_check_is_found_before_it_does(place, name):
    with pytest.raises(FatalError, match=FATAL[name]):
        contract(name).test_run_ends_well()


@pytest.mark.parametrize("name", ["unscored", "refuses-hard"])
def test_who_refuses_somebody_is_told(place, name):
    with pytest.raises(ContractError, match=r"failed, though|cannot say"):
        contract(name).test_delivers_one_answer_per_sample()


def test_pictures_of_one_pixel_are_no_answers(place):
    with pytest.raises(ContractError, match="1 x 1 pixels, an answer has at least 8 a side"):
        contract("tiny").test_delivers_one_answer_per_sample()


def test_who_walks_frames_answers_with_what_is_held_out(place):
    """In a run there is nothing to be had; in the process that checks there is."""
    with pytest.raises(ContractError, match=r"differ only|held-out part"):
        contract("frames").test_held_out_data_do_not_matter()


@pytest.mark.slow
def test_a_whole_check(place):
    assert check("cheat-tools/honest", seed=5).passed
    before, said = list(sys.argv), []
    report = check("cheat-tools/exits-in-fit", said.append)
    assert not report.passed
    assert len(report.results) == 1
    assert said[0].startswith("worlds of seed ")
    assert sys.argv == before
