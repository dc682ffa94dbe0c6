"""What users get wrong: one line that names file, row and fix; a status; earlier results intact."""

import errno
import hashlib
import json
import re
import shutil
import sys
import zlib
from pathlib import Path

import pytest

from persongen_bench.cli import app as cli
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util import files as assets

OPTIONS = ("--data-option", "like_threshold=2", "--no-beside", "--n-images", "2")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A good catalogue and one complete run on it."""
    base = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        write_folder(toy_world(), base / "data")
        status, _, err = pgbench(base, *run_arguments(base))
        assert (status, err) == (0, "")
        yield base


def run_arguments(base, method="random-item", data="data"):
    folder = [] if data is None else ["--data", str(base / data)]
    return ["run", "-m", method, "-d", "folder", *folder, *OPTIONS, "--runs", str(base / "runs")]


class Captured:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return False


def pgbench(base, *arguments):
    """The real program in this process => (exit status, standard output, standard error)."""
    out, err = Captured(), Captured()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setattr(sys, "argv", ["pgbench", *map(str, arguments)])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
    return status, out.text, err.text


def fingerprint(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix in (".png", ".parquet", ".json")
    }


def edit(path, old, new, count=1):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def first_image(folder):
    return sorted(folder.rglob("*.png"))[0]


def bomb_png():
    """A valid PNG header that promises 40,000 x 40,000 pixels."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    size = (40_000).to_bytes(4, "big")
    header = size + size + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def drop_column(folder):
    edit(folder / "items.csv", "image", "picture")


def duplicate_item(folder):
    lines = (folder / "items.csv").read_text().splitlines()
    (folder / "items.csv").write_text("\n".join([*lines, lines[1]]) + "\n")


def bad_rating(folder):
    lines = (folder / "interactions.csv").read_text().splitlines()
    cells = lines[3].split(",")
    cells[2] = "lovely"
    lines[3] = ",".join(cells)
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n")


def infinite_rating(folder):
    bad_rating(folder)
    edit(folder / "interactions.csv", "lovely", "inf")


def unknown_item(folder):
    with (folder / "interactions.csv").open("a") as stream:
        stream.write("anna,no-such-item,1,3\n")


def duplicate_rating(folder):
    lines = (folder / "interactions.csv").read_text().splitlines()
    (folder / "interactions.csv").write_text("\n".join([*lines, lines[1]]) + "\n")


def bad_time(folder):
    lines = (folder / "interactions.csv").read_text().splitlines()
    cells = lines[2].split(",")
    cells[3] = "yesterday"
    lines[2] = ",".join(cells)
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n")


def empty_user(folder):
    with (folder / "interactions.csv").open("a") as stream:
        stream.write(",x,1,3\n")


def no_image(folder):
    first_image(folder).unlink()


def truncated_image(folder):
    for file in folder.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:70])


def text_image(folder):
    for file in folder.rglob("*.png"):
        file.write_text("not a picture")


def bomb_image(folder):
    for file in folder.rglob("*.png"):
        file.write_bytes(bomb_png())


def path_outside(folder):
    name = first_image(folder).relative_to(folder).as_posix()
    edit(folder / "items.csv", name, f"../{name}")


def absolute_path(folder):
    name = first_image(folder).relative_to(folder).as_posix()
    edit(folder / "items.csv", name, str(folder / name))


def link_outside(folder):
    image = first_image(folder)
    target = folder.parent / "secret.png"
    shutil.move(image, target)
    image.symlink_to(target)


def not_utf8(folder):
    data = (folder / "items.csv").read_bytes()
    (folder / "items.csv").write_bytes(data + b"caf\xe9,x.png,c,t\n")


def empty_file(folder):
    (folder / "items.csv").write_text("")


def no_rows(folder):
    header = (folder / "items.csv").read_text().splitlines()[0]
    (folder / "items.csv").write_text(header + "\n")


def no_log(folder):
    (folder / "interactions.csv").unlink()


def no_items(folder):
    (folder / "items.csv").unlink()


def two_tables(folder):
    (folder / "items.parquet").write_bytes(b"PAR1")


def bad_parquet(folder):
    (folder / "items.csv").unlink()
    (folder / "items.parquet").write_bytes(b"PAR1 and then nothing")


BAD_CATALOGUES = {
    drop_column: r"items.csv row 1: no column 'image'",
    duplicate_item: r"items.csv row \d+: .*already in row 2",
    bad_rating: r"interactions.csv row 4: rating is 'lovely'",
    infinite_rating: r"interactions.csv row 4: rating is 'inf'",
    unknown_item: r"interactions.csv row \d+: .*no-such-item",
    duplicate_rating: r"interactions.csv row \d+: .*already in row 2",
    bad_time: r"interactions.csv row 3: timestamp is 'yesterday'",
    empty_user: r"interactions.csv row \d+: empty user_id",
    no_image: r"items.csv row \d+: .*\.png",
    truncated_image: r"\.png: not a readable image",
    text_image: r"\.png: not a readable image",
    bomb_image: r"\.png: .*(pixels|refused)",
    path_outside: r"items.csv row \d+: .*\.\./",
    absolute_path: r"items.csv row \d+: ",
    link_outside: r"outside",
    not_utf8: r"items.csv row \d+: byte 0xe9 is not UTF-8",
    empty_file: r"items.csv: the file is empty",
    no_rows: r"items.csv: no rows",
    no_log: r"interactions.*pseudo_users",
    no_items: r"items.csv",
    two_tables: r"both items.csv and items.parquet",
    bad_parquet: r"items.parquet: not a readable Parquet file",
}


def expect_one_line(result, pattern):
    status, _, err = result
    assert status not in (0, None)
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert re.search(pattern, err), err


@pytest.mark.parametrize("spoil", BAD_CATALOGUES, ids=lambda f: f.__name__)
def test_a_bad_catalogue(home, tmp_path, spoil):
    before = fingerprint(home / "runs")
    shutil.copytree(home / "data", tmp_path / "data")
    spoil(tmp_path / "data")
    arguments = run_arguments(home, "nearest-item")
    arguments[arguments.index("--data") + 1] = str(tmp_path / "data")
    expect_one_line(pgbench(home, *arguments), BAD_CATALOGUES[spoil])
    assert before.items() <= fingerprint(home / "runs").items()


BAD_ARGUMENTS = {
    "misspelt method": (
        ["--method", "random-itm"],
        "no method is called 'random-itm'.*random-item",
    ),
    "misspelt data set": (["-m", "oracle", "-d", "dsprite"], "dsprite.*dsprites"),
    "misspelt stack": (["-m", "oracle", "--stack", "pixel"], "no stack .*pixels"),
    "unknown option": (["-m", "population-best", "-o", "n_bets=3"], "'n_bets'.*n_best"),
    "option out of range": (["-m", "population-best", "-o", "n_best=0"], "n_best.*greater"),
    "option of another type": (["-m", "population-best", "-o", "n_best=many"], "n_best.*'many'"),
    "no key=value": (["-m", "oracle", "-o", "n_best"], "'n_best' is not KEY=VALUE"),
    "unknown preset": (["-m", "oracle", "--preset", "fast"], "no preset 'fast'"),
    "unknown split": (["-m", "oracle", "--split", "tuesday"], "no split 'tuesday'.*item"),
    "unknown data option": (
        ["-m", "oracle", "--data-option", "colour=red"],
        "colour.*pseudo_users",
    ),
    "no such folder": (["-m", "oracle", "--data", "nowhere"], "nowhere: no such folder"),
    "role not in the stack": (["-m", "mean-embedding"], "decoder"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_of_run(home, case):
    said, pattern = BAD_ARGUMENTS[case]
    before = fingerprint(home / "runs")
    given = ["run", "-d", "folder", "--data", home / "data", *OPTIONS, "--runs", home / "runs"]
    expect_one_line(pgbench(home, *given, *said), pattern)
    assert before.items() <= fingerprint(home / "runs").items()


@pytest.fixture
def broken(home, tmp_path):
    """A copy of the complete run, to be damaged."""
    (source,) = (home / "runs").rglob("random-item*")
    return Path(shutil.copytree(source, tmp_path / "runs" / "one"))


def future_schema(run):
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**document, "schema_version": 99}))


def cut_json(run):
    (run / "run.json").write_text((run / "run.json").read_text()[:40])


def unknown_field(run):
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**document, "extra": 1}))


def corrupt_journal(run):
    for suffix in ("-wal", "-shm"):
        (run / f"journal.sqlite{suffix}").unlink(missing_ok=True)
    (run / "journal.sqlite").write_bytes(b"no database at all " * 300)


def other_split(run):
    document = json.loads((run / "run.json").read_text())
    document["dataset"]["split_hash"] = "0123456789abcdef"
    (run / "run.json").write_text(json.dumps(document))


BAD_RUNS = {
    future_schema: "run.json: schema version 99 is newer .*Upgrade",
    cut_json: "run.json: not valid JSON",
    unknown_field: "run.json: field 'extra'",
    corrupt_journal: "journal.sqlite: the journal is damaged.*--rebuild",
    other_split: "split of this run changed",
}


@pytest.mark.parametrize("spoil", BAD_RUNS, ids=lambda f: f.__name__)
def test_a_damaged_run(home, broken, spoil):
    spoil(broken)
    before = fingerprint(broken / "images")
    expect_one_line(pgbench(home, "resume", broken), BAD_RUNS[spoil])
    assert fingerprint(broken / "images") == before


def test_a_corrupt_journal_loses_nothing(home, broken):
    before = fingerprint(broken)
    corrupt_journal(broken)
    status, _, err = pgbench(home, "resume", broken, "--rebuild")
    assert (status, err) == (0, "")
    after = fingerprint(broken)
    kept = [n for n in before if n not in ("cost.json", "provenance.json", "contact_sheet.png")]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_a_damaged_image_is_named_and_mended(home, broken):
    image = first_image(broken / "images")
    image.write_bytes(image.read_bytes()[:50])
    expect_one_line(pgbench(home, "score", broken), rf"{image.name}: .*pgbench resume")
    assert pgbench(home, "resume", broken)[0] == 0
    assert pgbench(home, "score", broken)[0] == 0


def write_manifest(folder, rows, header="user_id,image"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")


def manifest_case(home, folder, case):
    user = json.loads((home / "users.json").read_text())[0]
    shutil.copy(first_image(home / "data"), folder / "good.png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:70])
    shutil.copy(folder / "good.png", folder.parent / "outside.png")
    rows = {
        "no column": (["x,y"], "user,picture"),
        "unknown user": ([f"{user},good.png", "nobody,good.png"], "user_id,image"),
        "outside": ([f"{user},../outside.png"], "user_id,image"),
        "cut image": ([f"{user},good.png", f"{user},cut.png"], "user_id,image"),
        "no image": ([f"{user},gone.png"], "user_id,image"),
        "twice": ([f"{user},good.png,0", f"{user},good.png,0"], "user_id,image,index"),
        "bad index": ([f"{user},good.png,-1"], "user_id,image,index"),
        "no rows": ([], "user_id,image"),
    }
    write_manifest(folder, *rows[case])


BAD_MANIFESTS = {
    "no column": "manifest.csv row 1: no column 'user_id'",
    "unknown user": "manifest.csv row 3: unknown user 'nobody'",
    "outside": "manifest.csv row 2: .*outside",
    "cut image": "manifest.csv row 3: .*not a readable image",
    "no image": "manifest.csv row 2: .*no such image file",
    "twice": "manifest.csv row 3: .*already in row 2",
    "bad index": "manifest.csv row 2: index is '-1'",
    "no rows": "manifest.csv: no rows",
}


def score_arguments(home, folder):
    return ["score", folder, "-d", "folder", "--data", home / "data", *OPTIONS[:2],
            "--runs", home / "runs"]  # fmt: skip


@pytest.fixture(scope="module")
def users(home):
    import pandas as pd

    (table,) = (home / "runs").rglob("random-item*/samples.parquet")
    names = sorted(pd.read_parquet(table)["user_id"].unique())
    (home / "users.json").write_text(json.dumps(names))
    return names


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_a_bad_manifest(home, users, tmp_path, case):
    folder = tmp_path / "delivery"
    folder.mkdir()
    manifest_case(home, folder, case)
    before = fingerprint(home / "runs")
    expect_one_line(pgbench(home, *score_arguments(home, folder)), BAD_MANIFESTS[case])
    assert before.items() <= fingerprint(home / "runs").items()


def test_a_folder_without_a_manifest(home, tmp_path):
    expect_one_line(pgbench(home, *score_arguments(home, tmp_path)), "manifest.csv")


def test_a_good_manifest_is_scored_and_its_gaps_count(home, users, tmp_path):
    folder = tmp_path / "mine"
    write_manifest(folder, [f"{user},good.png" for user in users[:-1]])
    shutil.copy(first_image(home / "data"), folder / "good.png")
    arguments = score_arguments(home, folder)
    arguments[arguments.index("--runs") + 1] = tmp_path / "runs"
    status, _, err = pgbench(home, *arguments)
    assert (status, err) == (0, "")
    (summary,) = (tmp_path / "runs").rglob("summary.json")
    states = json.loads(summary.read_text())["states"]
    assert states["ok"] == len(users) - 1
    assert states["missing"] == sum(states.values()) - states["ok"] > 0


BAD_COMMANDS = {
    "resume nothing": (["resume", "nowhere"], "nowhere: no such run directory"),
    "leaderboard of nothing": (["leaderboard", "--runs", "nowhere"], "nowhere: no such folder"),
    "unknown format": (["leaderboard", "-f", "word"], "no format is called 'word'"),
    "unknown board": (["leaderboard", "--board", "catalog"], "'catalog'.*catalogue"),
    "compare nothing": (["compare", "nowhere", "runs"], "no such run directory"),
    "list nonsense": (["list", "unicorns"], "cannot list 'unicorns'"),
    "show nonsense": (["show", "unicorn", "x"], "cannot show 'unicorn'"),
    "show unknown": (["show", "metric", "true-tast"], "true-taste"),
    "check unknown": (["check", "random-itm"], "random-item"),
    "new method with a bad name": (["new", "method", "My Method!"], "My Method!"),
    "build unknown models": (["models", "build", "giant"], "no models are called 'giant'"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_commands(home, case):
    said, pattern = BAD_COMMANDS[case]
    before = fingerprint(home / "runs")
    expect_one_line(pgbench(home, *said), pattern)
    assert before.items() <= fingerprint(home / "runs").items()


def test_a_full_disk(home, tmp_path, monkeypatch):
    """The disk fills up in the middle of a run: said in one line, and the run resumes."""
    real, written = assets.write_atomic, []

    def filling(path, data, **options):
        if path.suffix == ".png" and len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path) if path.suffix == ".png" else None
        real(path, data, **options)

    before = fingerprint(home / "runs")
    arguments = [*run_arguments(home, "copy-history"), "--batch-size", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("persongen_bench.loop.answer_files.write_atomic", filling)
        expect_one_line(pgbench(home, *arguments), r"No space left on device.*resume")
    after = fingerprint(home / "runs")
    assert before.items() <= after.items()
    (unfinished,) = (f for f in (home / "runs").rglob("copy-history*") if f.is_dir())
    assert pgbench(home, "resume", unfinished)[0] == 0
    shutil.rmtree(unfinished)


def test_a_user_with_an_empty_history_is_counted_not_dropped(home, tmp_path):
    shutil.copytree(home / "data", tmp_path / "data")
    log = tmp_path / "data" / "interactions.csv"
    user = log.read_text().splitlines()[1].split(",")[0]
    rows = [line.split(",") for line in log.read_text().splitlines()]
    for row in rows[1:]:
        row[2] = "0" if row[0] == user else row[2]
    log.write_text("\n".join(",".join(row) for row in rows) + "\n")
    arguments = run_arguments(home, "copy-history")
    arguments[arguments.index("--data") + 1] = tmp_path / "data"
    arguments[arguments.index("--runs") + 1] = tmp_path / "runs"
    status, out, err = pgbench(home, *arguments)
    assert (status, err) == (0, "")
    assert "has no liked history" in out
    (summary,) = (tmp_path / "runs").rglob("summary.json")
    assert json.loads(summary.read_text())["states"]["method_error"] == 2
