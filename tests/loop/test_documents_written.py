"""Run files on a screen: a label that steers a terminal is an escape, and the same label."""

from run_case import make_config

from persongen_bench.loop import documents
from persongen_bench.loop.schema import RunConfig

EVIL = "a\x1b]0;t\x07\x7f\x9b2J\u202eb\u200b\u2028\U000e0041é"


def test_a_label_comes_back_and_does_not_show(tmp_path):
    config = make_config()
    config = config.model_copy(update={"method": config.method.model_copy(update={"label": EVIL})})
    written = documents.written(config).decode()
    assert all(c.isprintable() for c in written if c != "\n")
    (tmp_path / "run.json").write_text(written, encoding="utf-8")
    read = documents.read(RunConfig, tmp_path / "run.json")
    assert read.method.label == EVIL
    assert read.run_id == config.run_id


def test_what_is_printable_is_written_as_ever():
    config = make_config()
    assert documents.written(config) == config.model_dump_json(indent=1).encode()
