"""What metrics see of a run, and how their values become summaries and tests."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from persongen_bench import stats
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.request import Request, unit_of
from persongen_bench.loop import score, tested
from persongen_bench.loop.evaluation import Evaluation

A1 = Request("anna", ("x",), reference="r", instruction="a cat")
A2 = Request("anna", ("y",))
B = Request("ben", (), instruction="a cat")
PLANNED = [
    ("s0", A1, 0, "ok"), ("s1", A1, 1, "pending"), ("s2", A2, 0, "unscored"),
    ("s3", A2, 1, "missing"), ("s4", B, 0, "ok"), ("s5", B, 1, "filtered"),
]  # fmt: skip


def evaluation(**options):
    table = pd.DataFrame(
        [(s, r.user_id, k, state, f"d-{s}", f"hash-{s}") for s, r, k, state in PLANNED],
        columns=["sample_id", "user_id", "index", "state", "digest", "pixel_hash"],
    )
    asked = {sample: request for sample, request, _, _ in PLANNED}
    return Evaluation(None, table, asked, drawn, **options)


def drawn(sample, digits):
    return np.frombuffer(f"{sample} {digits}".encode(), dtype=np.uint8)


def test_units_are_users_or_prompts():
    assert [unit_of(request, "user") for request in (A1, A2, B)] == ["anna", "anna", "ben"]
    assert [unit_of(request, "prompt") for request in (A1, A2, B)] == ["a cat", A2.request_id,
                                                                       "a cat"]  # fmt: skip
    assert evaluation().units == ("anna", "ben")
    assert evaluation(unit="prompt").units == tuple(sorted(["a cat", A2.request_id]))


def test_samples_name_request_and_unit():
    seen = evaluation(unit="prompt").samples
    assert list(seen["sample_id"]) == ["s0", "s4"]
    assert list(seen["request_id"]) == [A1.request_id, B.request_id]
    assert list(seen["unit"]) == ["a cat", "a cat"]
    assert list(seen["user_id"]) == ["anna", "ben"]


def test_requests_keep_their_own_history_reference_and_words():
    seen = evaluation()
    assert seen.histories == {"s0": ("x",), "s1": ("x",), "s2": ("y",), "s3": ("y",),
                              "s4": (), "s5": ()}  # fmt: skip
    assert seen.references == {"s0": "r", "s1": "r"}
    assert seen.instructions == dict.fromkeys(("s0", "s1", "s4", "s5"), "a cat")


def test_what_was_asked_for_leaves_out_what_is_ours():
    # anna: one delivered and one missing count, one pending and one unscored do not.
    assert evaluation().n_asked == {"anna": 2, "ben": 2}
    assert evaluation(unit="prompt").n_asked == {"a cat": 3, A2.request_id: 1}


def test_outputs_are_the_images_unless_something_else_was_asked_for():
    (image,) = evaluation().outputs([1])
    assert bytes(image) == b"s4 hash-s4"
    opened = evaluation(open_output=lambda sample, digest: (sample, digest)).outputs([1, 0])
    assert opened == [("s4", "d-s4"), ("s0", "d-s0")]


def test_an_image_is_opened_once_until_it_is_forgotten(monkeypatch):
    seen, opened = evaluation(), []
    monkeypatch.setattr(seen, "open_image", lambda *named: opened.append(named) or drawn(*named))
    for _ in range(2):
        assert [bytes(image)[:2] for image in seen.images(np.array([1, 0, 1]))] == [
            b"s4", b"s0", b"s4",
        ]  # fmt: skip
    assert opened == [("s4", "hash-s4"), ("s0", "hash-s0")]
    seen.forget()
    seen.images([0])
    assert opened[2:] == [("s0", "hash-s0")]


def test_the_catalogue_is_the_whole_one_in_its_order():
    """Not what the views of the split show, which leave out items of validation rows."""
    world = SimpleNamespace(dataset=SimpleNamespace(catalog=SimpleNamespace(ids=["b", "a", "c"])))
    seen = evaluation()
    seen.world = world
    assert list(seen.catalogue_ids) == ["b", "a", "c"]


def test_a_metric_that_compares_users_is_refused_where_the_unit_is_the_prompt():
    with pytest.raises(ConfigError, match="taste-gap compares users, and here the unit is the pro"):
        score.unit_values(parse_metric("taste-gap"), evaluation(unit="prompt"))


def counted(value=None):
    """A maker, and the list that grows when it is called."""
    calls = []
    return (lambda: calls.append(1) or value), calls


def test_what_is_dear_is_computed_once_until_it_is_forgotten():
    seen, (make, calls) = evaluation(), counted("dear")
    assert [seen.memo("a", make), seen.memo("a", make)] == ["dear", "dear"]
    assert len(calls) == 1
    assert seen.memo("b", lambda: "other") == "other"
    seen.forget()
    seen.memo("a", make)
    assert len(calls) == 2


def test_an_instrument_is_known_by_all_of_its_key_and_kept_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    first, calls = counted({"x": np.arange(2)})
    made = [evaluation().instrument(["verifier", "data"], first) for _ in range(2)]
    assert [list(arrays["x"]) for arrays in made] == [[0, 1], [0, 1]]
    assert len(calls) == 1  # of two evaluations that share no memory
    other = evaluation().instrument(["verifier", "other data"], lambda: {"x": np.arange(3)})
    assert list(other["x"]) == [0, 1, 2]


# --- summaries ------------------------------------------------------------------------------


def test_an_interval_ends_where_the_metric_does():
    # The t interval of .9, 1, 1, 1 is .975 +- 3.18 * .025: it reaches 1.05.
    values = np.array([0.9, 1.0, 1.0, 1.0])
    free = stats.interval(values, np.random.default_rng(0))
    assert free.high > 1.04
    about = {"signature": "s"}
    made = score._summarise(pd.Series(values), about, np.random.default_rng(0), (0.0, 1.0))
    assert (made.low, made.high) == (pytest.approx(free.low), 1.0)
    made = score._summarise(pd.Series(-values), about, np.random.default_rng(0), (-1.0, 1.0))
    assert (made.low, made.high) == (-1.0, pytest.approx(-free.low))


# --- permutation tests ------------------------------------------------------------------------


class Instrument:
    """Scores every image for every user by a table."""

    info = MetricInfo("table", "taste", "higher", (-1.0, 1.0), "points", "chosen")

    def __init__(self, matrix):
        self._matrix = np.array(matrix, dtype=float)

    def signature(self, context):
        return str(self._matrix)

    def scores(self, context, users):
        return self._matrix[:, [context.users.index(user) for user in users]]


def boarded(unit="user"):
    samples = pd.DataFrame({"unit": ["anna", "anna", "ben"], "user_id": ["anna", "anna", "ben"]})
    return SimpleNamespace(
        samples=samples, users=("anna", "ben"), unit=unit, memo=lambda key, make: make()
    )


OWN = [[1, 0], [1, 0], [0, 1]]
FLAT = [[0.3, 0.3]] * 3


def permuted(*metrics, **options):
    return tested.permutation_tests(boarded(**options), metrics, np.random.default_rng(0))


def test_the_first_taste_instrument_is_tested():
    # Everybody gives 1 to the own images and 0 to the others; or .3 to all, which explains itself.
    # Every picture is liked by one of two, so its quality is that of the others, and the means of
    # 2/3 and 1/3 are anna's and ben's leniency: 1/3 of her own, 2/3 of his remain.
    own, flat, plain = Instrument(OWN), Instrument(FLAT), parse_metric("diversity")
    assert permuted(plain, own, flat)["permutation.block"].statistic == pytest.approx(0.5)
    assert permuted(flat, own)["permutation.block"].statistic == pytest.approx(0.0)
    assert permuted(plain) == {}


def test_nothing_is_tested_where_the_unit_is_not_the_user():
    assert permuted(Instrument(OWN), unit="prompt") == {}
