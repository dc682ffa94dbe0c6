"""The whole way: likes are asked for, methods learn from them, and the same people judge."""

import json

import pytest
from study_case import answer_to, write_pictures
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.sealing import person_of


def pgbench(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_who_said_what_they_like_judges_what_is_made_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    items = write_pictures(tmp_path / "p") / "items"
    pgbench(
        "study", "new", "--elicit-only", "--items", items, "--elicit", 24,
        "--participants", 5, "--out", tmp_path / "likes",
    )  # fmt: skip
    first = StudyFolder(tmp_path / "likes")
    assert first.codes() == {code: person_of(code) for code in first.codes()}
    for k, code in enumerate(first.codes()):
        answers = [
            answer_to(first, code, n, rating="like" if (n + k) % 2 else "dislike")
            for n in range(24)
        ]
        (tmp_path / f"{k}.json").write_text(json.dumps({"answers": answers}))
    files = [tmp_path / f"{k}.json" for k in range(5)]
    assert "120 answers taken in" in pgbench("study", "take", first.path, *files)
    assert "120 ratings" in pgbench("study", "ratings", first.path, "--out", tmp_path / "data")

    runs = tmp_path / "runs"
    pgbench(
        "run", "-d", "folder", "--data", tmp_path / "data", "-m", "nearest-item",
        "-m", "random-item", "--n-images", 4, "--no-beside", "--runs", runs,
    )  # fmt: skip
    pgbench(
        "study", "new", runs, "-m", "*-item", "--codes", first.path, "--pairs-per-person", 4,
        "--elicit", 0, "--out", tmp_path / "judged", "--data", tmp_path / "data",
    )  # fmt: skip
    judged = StudyFolder(tmp_path / "judged")
    assert judged.codes().items() <= first.codes().items()
    assert len(judged.codes()) >= 3
    assert sorted(judged.key.methods) == ["nearest-item", "random-item"]
    assert len(judged.key.runs) == 2
    truths = {truth.trial: truth for truth in judged.key.truths}
    for code, user in judged.codes().items():
        asked = [truths[trial] for trial in judged.trials[code_hash(code)]]
        assert {truth.user for truth in asked if truth.role == "main"} == {user}
        assert {truth.role for truth in asked} >= {"main", "repeat", "catch-told"}
    public = [f for f in judged.path.rglob("*") if f.is_file() and "private" not in f.parts]
    for file in public:
        body = file.read_bytes()
        assert not any(name.encode() in body for name in judged.key.methods)
