"""Journals of workers: any order, any cut, any damage; the same, or what remains of it."""

import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persongen_bench.core.errors import RunError
from persongen_bench.loop.engines.merging import merged
from persongen_bench.loop.engines.seam import Batch
from persongen_bench.loop.engines.worker_journal import (
    FOLDER,
    WorkerJournal,
    batch_of,
    line_of,
    read_journal,
)
from persongen_bench.loop.explaining import Explained
from persongen_bench.loop.journal import Outcome

RUN = "r" * 16
IDS = [f"s{k:02}" for k in range(20)]


def outcome(name, seconds=1.0):
    """What becomes of a sample is a function of it alone."""
    if int(name[1:]) % 5 == 0:
        return Outcome(name, "method_error", "ValueError: no", seconds=seconds)
    return Outcome(name, "ok", "", f"d{name}", f"p{name}", seconds)


def batch(names, worker=0):
    return Batch(
        [outcome(name, 1.0 + worker) for name in names], {"clip": "c|1"}, Counter(names[:1]),
        [Explained(f"q{names[0]}", {0: "most"}, "n")] if names else [], ["open x"], 10.0 + worker,
        f"wall {worker % 2}",
    )  # fmt: skip


@st.composite
def journals(draw):
    """Parts of the ids, some of them made twice, at random workers in a random order."""
    order = draw(st.permutations(IDS))
    cuts = sorted(draw(st.sets(st.integers(1, len(IDS) - 1), max_size=8)))
    edges = [0, *cuts, len(IDS)]
    parts = [list(order[a:b]) for a, b in pairwise(edges)]
    parts += draw(st.lists(st.sampled_from(parts), max_size=3))
    told = {f"w{k}": [] for k in range(4)}
    for part in parts:
        worker = draw(st.integers(0, 3))
        told[f"w{worker}"].append(batch(part, worker))
    return told


@given(journals(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_does_not_matter(told, random):
    first = merged(told, set(IDS))
    names = list(told)
    random.shuffle(names)
    shuffled = {name: random.sample(told[name], len(told[name])) for name in names}
    assert line_of(merged(shuffled, set(IDS)), RUN) == line_of(first, RUN)
    assert [one.sample_id for one in first.outcomes] == IDS
    assert [(o.state, o.digest, o.pixel_hash) for o in first.outcomes] == [
        (outcome(name).state, outcome(name).digest, outcome(name).pixel_hash) for name in IDS
    ]


@given(journals(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_journal_cut_anywhere_tells_its_whole_lines(tmp_path_factory, told, data):
    file = tmp_path_factory.mktemp("cut") / "w.jsonl"
    lines = [line_of(one, RUN) for one in told["w0"]]
    text = "".join(f"{line}\n" for line in lines).encode()
    cut = data.draw(st.integers(0, len(text)))
    file.write_bytes(text[:cut])
    assert [line_of(one, RUN) for one in read_journal(file, RUN)] == lines[
        : text[:cut].count(b"\n")
    ]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_line_that_is_changed_anywhere_tells_nothing_else(data):
    line = line_of(batch(IDS[:3]), RUN).encode()
    place = data.draw(st.integers(0, len(line) - 1))
    new = data.draw(st.binary(min_size=1, max_size=3))
    told = batch_of(line[:place] + new + line[place + 1 :], RUN)
    assert told is None or line_of(told, RUN).encode() == line


def forged(**changes):
    """A line with other fields and the sum that belongs to them."""
    import hashlib

    from persongen_bench.loop.engines.worker_journal import Part

    document = json.loads(line_of(batch(IDS[1:3]), RUN))
    document["part"] |= changes
    try:
        text = Part.model_validate_json(json.dumps(document["part"])).model_dump_json()
    except ValueError:
        text = json.dumps(document["part"])
    return json.dumps(document | {"sha256": hashlib.sha256(text.encode()).hexdigest()})


def test_a_line_with_its_sum_is_believed():
    assert line_of(batch_of(forged(), RUN), RUN) == line_of(batch(IDS[1:3]), RUN)


@pytest.mark.parametrize(
    "changes",
    [
        {"run": "another"},
        {"more": 1},
        {"outcomes": [{"sample_id": "s01", "state": "ok"}]},
        {"outcomes": [{"sample_id": "s01", "state": "method_error", "digest": "d"}]},
        {"outcomes": [{"sample_id": "s01", "state": "unscored"}]},
        {"outcomes": [{"sample_id": "s01", "state": "pending"}]},
        {"outcomes": [{"sample_id": 3, "state": "filtered"}]},
        {"outcomes": [{"sample_id": "s01", "state": "filtered", "seconds": -1.0}]},
        {"outcomes": [{"sample_id": "s01", "state": "filtered", "user_id": "u"}]},
        {"outcomes": [{"sample_id": "s01", "state": "ok", "digest": "../x"}]},
        {"references": {"i": 0}},
        {"references": {"i": True}},
        {"peak_mb": "1"},
        {"roles": {"clip": None}},
        {"refused": ["x" * 5000]},
    ],
    ids=lambda changes: json.dumps(changes)[:50],
)
def test_what_no_worker_of_this_run_writes_tells_nothing(changes):
    assert batch_of(forged(**changes), RUN) is None


def test_samples_of_nobody_are_left_out():
    told = {"w": [batch([*IDS[:2], "s99"]), batch(["s98"])]}
    assert [one.sample_id for one in merged(told, set(IDS)).outcomes] == IDS[:2]


def test_two_workers_that_disagree_are_named():
    other = Batch([Outcome("s01", "ok", "", "dother", "pother")])
    with pytest.raises(RunError, match=r"sample s01: workers a and b made it differently.*b.jsonl"):
        merged({"b": [other], "a": [batch(["s01"])]}, set(IDS))
    failed = Batch([Outcome("s01", "method_error", "x")])
    with pytest.raises(RunError, match="worker a, twice, made it differently"):
        merged({"a": [batch(["s01"]), failed]}, set(IDS))


def test_a_worker_goes_on_behind_its_last_whole_line(tmp_path, caplog):
    for names, torn in ((IDS[:3], b'{"part": {"run'), (IDS[3:5], b"")):
        with WorkerJournal.held(tmp_path, "w", RUN) as journal:
            journal.append(batch(names))
        with (tmp_path / FOLDER / "w.jsonl").open("ab") as stream:
            stream.write(torn)
    told = read_journal(tmp_path / FOLDER / "w.jsonl", RUN)
    assert [[one.sample_id for one in part.outcomes] for part in told] == [IDS[:3], IDS[3:5]]
    assert not caplog.messages


def test_damage_in_the_middle_is_told_of_and_costs_its_line_alone(tmp_path, caplog):
    lines = [line_of(batch([name]), RUN) for name in IDS[:3]]
    lines[1] = lines[1].replace("s01", "s04")
    file = tmp_path / "w.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    assert [one.outcomes[0].sample_id for one in read_journal(file, RUN)] == ["s00", "s02"]
    assert "1 of 3 lines are not what a worker of this run writes" in caplog.messages[0]


def test_a_journal_that_is_no_file_tells_nothing(tmp_path, caplog):
    (tmp_path / "w.jsonl").mkdir()
    assert read_journal(tmp_path / "w.jsonl", RUN) == []
    assert "a folder" in caplog.messages[0]
