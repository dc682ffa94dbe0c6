"""What a study's folder tells whom, and what becomes of answers that come as files."""

import json
import shutil
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from study_case import METHODS, USERS, answer_to, codes_of, make_study, write_pictures

from persongen_bench.api import study as api
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.study.answers import Answers, UnkeptError, read_answers
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.records import REMARKS


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def made(pictures, tmp_path_factory):
    return make_study(pictures, tmp_path_factory.mktemp("made") / "study")


@pytest.fixture
def study(made, tmp_path):
    """A copy to change."""
    return StudyFolder(shutil.copytree(made.path, tmp_path / "study"))


def public(study):
    return [
        file
        for file in study.path.rglob("*")
        if file.is_file() and not file.is_relative_to(study.private)
    ]


def test_nothing_public_names_a_method_a_user_an_item_or_what_is_right(study):
    secret = [*METHODS, *USERS, *codes_of(study).values(), "wombat", "history", "catch", "repeat"]
    secret += ["wrong-user", "quokka", "img src", str(study.path.parent)]
    for file in public(study):
        if "vendor" in file.parts or "app" in file.parts:
            continue
        text = file.read_bytes().decode("latin-1") + file.name
        assert [word for word in secret if word in text] == [], file


def test_the_private_half_is_for_its_owner_alone(study):
    assert stat.S_IMODE(study.private.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in study.private.iterdir()} == {0o600}


def test_pictures_are_the_same_pixels_without_what_their_files_said(study, pictures):
    from persongen_bench.core import images

    truths = {truth.trial: truth for truth in study.key.truths}
    seen = 0
    for session in study.study.sessions:
        for trial in session.trials:
            truth = truths[trial.id]
            if truth.role != "main":
                continue
            for code, sample in zip(trial.pictures, truth.samples, strict=True):
                file = study.path / "media" / f"{code}.png"
                with Image.open(file) as picture:
                    assert picture.info == {}
                same = images.read(file) == images.read(pictures / "made" / sample)
                assert same.all()
                seen += 1
    assert seen == 4 * 6 * 2


def test_no_time_of_a_public_file_tells_when_it_was_written(study):
    assert len({file.stat().st_mtime for file in public(study)}) == 1


def test_a_seed_asks_the_same_under_other_names(pictures, tmp_path):
    one, two = (make_study(pictures, tmp_path / name, seed=3) for name in "ab")
    assert shape(one) == shape(two)
    names = [{t.id for s in study.study.sessions for t in s.trials} for study in (one, two)]
    assert not names[0] & names[1]
    assert one.study.id != two.study.id
    assert not set(one.codes()) & set(two.codes())


def shape(study):
    """What is asked, without the names, by user."""
    truths = {truth.trial: truth for truth in study.key.truths}
    users = {code_hash(code): user for code, user in study.codes().items()}
    return {
        users[session.code]: [
            (truths[t.id].methods, truths[t.id].samples, truths[t.id].role, truths[t.id].right)
            for t in session.trials
        ]
        for session in study.study.sessions
    }


def test_a_study_of_likes_becomes_a_data_set_whose_people_keep_their_codes(pictures, tmp_path):
    shown = api.Shown(items=pictures / "items", likes_only=True)
    first = api.new_study(shown, api.study_plan({"participants": 3, "elicit": 20}), tmp_path / "a")
    with Answers(first.answers_file) as answers:
        for k, code in enumerate(first.codes()):
            for number in range(20):
                rating = "like" if (number + k) % 3 else "dislike"
                said = answer_to(first, code, number, rating=rating)
                assert answers.keep(api.taking.parse(json.dumps(said))) == "new"
    assert api.write_ratings(first.path, tmp_path / "data") == 60
    from persongen_bench.api.loading import load_dataset

    data = load_dataset("folder", tmp_path / "data")
    people = set(data.interactions["user_id"])
    assert people == set(first.codes().values())
    assert len(data.interactions) == 60
    assert not any(code in user for code in first.codes() for user in people)

    for method in METHODS[:2]:
        for k, user in enumerate(sorted(people)[:2]):
            place = tmp_path / "made" / method / user
            place.mkdir(parents=True)
            for n in range(4):
                shutil.copyfile(pictures / "items" / f"wombat-{k + n}.png", place / f"{n}.png")
    judged = api.new_study(
        api.Shown(folder=tmp_path / "made"),
        api.study_plan({"pairs_per_person": 4, "elicit": 0}),
        tmp_path / "b",
        codes_of=first.path,
    )
    assert judged.codes() == {c: u for c, u in first.codes().items() if u in sorted(people)[:2]}


def download(study, code, n, file):
    answers = [answer_to(study, code, number) for number in range(n)]
    file.write_text(json.dumps({"study": study.study.id, "answers": answers}))
    return file


def test_downloads_are_taken_in_once(study, tmp_path):
    code = codes_of(study)["quokka-1"]
    file = download(study, code, 5, tmp_path / "one.json")
    assert str(api.take(study.path, [file])).startswith("5 answers taken in, 0 known")
    assert str(api.take(study.path, [file, file])).startswith("0 answers taken in, 10 known")
    assert len(read_answers(study)) == 5
    assert all(answer.kept_at for answer in read_answers(study))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": "abcdefghjkmnpqrs"}, "may not answer"),
        ({"trial": "t0"}, "no such trial"),
        ({"rating": None}, "asks for rating alone"),
        ({"choice": "first"}, "asks for rating alone"),
        ({"name": "Eve"}, "Extra inputs"),
        ({"study": "other"}, "another study"),
        ({"kept_at": "2020"}, "kept_at"),
        ({"milliseconds": -1}, "milliseconds"),
        ({"comment": "\ud800"}, "Invalid JSON"),
    ],
)
def test_of_a_file_with_anything_else_nothing_is_taken(study, tmp_path, changes, said):
    code = codes_of(study)["quokka-1"]
    good = answer_to(study, code, 0)
    bad = {**answer_to(study, code, 1), **changes}
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"answers": [good, bad]}))
    with pytest.raises(DataError, match=f"answer 1: .*{said}"):
        api.take(study.path, [file])
    assert read_answers(study) == []


def test_remarks_are_kept_as_text(study, tmp_path):
    code = codes_of(study)["quokka-1"]
    wild = "<script>alert(1)</script>=1+1"
    said = answer_to(study, code, 0, trial=REMARKS, comment=wild)
    del said["rating"]
    (tmp_path / "a.json").write_text(json.dumps({"answers": [said]}))
    api.take(study.path, [tmp_path / "a.json"])
    assert [answer.comment for answer in read_answers(study)] == [wild]


def test_withdrawing_leaves_nothing_of_the_code(study, tmp_path):
    code, other = codes_of(study)["quokka-1"], codes_of(study)["quokka-2"]
    mine = download(study, code, 8, tmp_path / "mine.json")
    theirs = download(study, other, 3, tmp_path / "theirs.json")
    api.take(study.path, [mine, theirs])
    assert code.encode() in study.answers_file.read_bytes()
    assert api.withdraw(study.path, code) == 8
    for file in study.private.iterdir():
        assert code.encode() not in file.read_bytes(), file
    assert {answer.code for answer in read_answers(study)} == {other}
    with pytest.raises(DataError, match="may not answer"):
        api.take(study.path, [mine])
    with pytest.raises(DataError, match="no such code"):
        api.withdraw(study.path, code)
    assert {f.name for f in study.private.iterdir()} == {
        "answers.sqlite", "codes.txt", "key.json", "study.json",
    }  # fmt: skip


def test_what_comes_after_withdrawing_is_not_kept(study):
    code = codes_of(study)["quokka-1"]
    said = api.taking.parse(json.dumps(answer_to(study, code)))
    with Answers(study.answers_file) as answers:
        assert answers.admits(code)  # as the server asks, before somebody withdraws
        api.withdraw(study.path, code)
        with pytest.raises(DataError, match="may not answer"):
            answers.keep(said)
    assert read_answers(study) == []


def test_answers_are_deleted_that_are_there_without_their_code(study):
    """As an earlier version could leave them."""
    code = codes_of(study)["quokka-1"]
    said = api.taking.parse(json.dumps(answer_to(study, code)))
    with Answers(study.answers_file) as answers:
        answers.keep(said)
        answers._connection.execute("DELETE FROM participants")
    study.write_codes({})
    assert api.withdraw(study.path, code) == 1


def test_a_code_is_withdrawn_as_it_is_typed_and_others_stay(study):
    code, other = codes_of(study)["quokka-1"], codes_of(study)["quokka-2"]
    api.withdraw(study.path, f" {code[:4].upper()}-{code[4:]} ")
    assert code not in study.codes()
    assert other in study.codes()


def test_two_who_withdraw_at_once_are_both_forgotten(study):
    with ThreadPoolExecutor(4) as several:
        list(several.map(lambda code: api.withdraw(study.path, code), study.codes()))
    assert study.codes() == {}


def test_a_failed_write_is_undone_and_the_next_one_is_kept(study):
    code = codes_of(study)["quokka-1"]
    said = api.taking.parse(json.dumps(answer_to(study, code)))
    with Answers(study.answers_file) as answers:
        reader = sqlite3.connect(study.answers_file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM answers").fetchone()
        answers._connection.execute("PRAGMA busy_timeout=1")
        with pytest.raises(UnkeptError, match="cannot be written"):
            answers.keep(said)
        reader.close()
        assert answers.keep(said) == "new"


def test_names_of_pictures_tell_neither_copies_nor_repeats(pictures, tmp_path):
    made = make_study(pictures, tmp_path / "s", person="third", participants=2, elicit=0)
    roles = {truth.trial: truth.role for truth in made.key.truths}
    assert {"catch-told", "catch-wrong-user", "repeat"} <= set(roles.values())
    for session in made.study.sessions:
        judged = [code for trial in session.trials for code in trial.pictures]
        above = {code for trial in session.trials for code in trial.shown}
        assert len(set(judged)) == len(judged)
        assert not above & set(judged)
    files = {file.stem for file in (made.path / "media").iterdir()}
    assert {c for t in made.trials.values() for one in t.values() for c in one.pictures} <= files


def test_codes_stand_for_people_and_third_persons_are_nobody(study, pictures, tmp_path):
    shown, plan = api.Shown(folder=pictures / "made"), api.study_plan({"person": "third"})
    with pytest.raises(ConfigError, match="third persons"):
        api.new_study(shown, plan, tmp_path / "b", codes_of=study.path)


def test_no_name_in_the_ratings_is_a_formula_and_codes_are_found_by_them(pictures, tmp_path):
    for place in (*(pictures / "made").glob("*/quokka-1"), pictures / "items" / "wombat-0.png"):
        name = f"=quokka{place.suffix}"
        new = tmp_path / place.relative_to(pictures).with_name(name)
        new.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if place.is_dir() else shutil.copyfile)(place, new)
    for other in (pictures / "items").iterdir():
        shutil.copyfile(other, tmp_path / "items" / other.name)
    for place in (pictures / "made").glob("*/quokka-2"):
        shutil.copytree(place, tmp_path / place.relative_to(pictures))
    first = make_study(tmp_path, tmp_path / "a", elicit=25)
    code = codes_of(first)["=quokka"]
    api.take(first.path, [download(first, code, 25, tmp_path / "one.json")])
    api.write_ratings(first.path, tmp_path / "data")
    for file in ("items.csv", "interactions.csv"):
        cells = (tmp_path / "data" / file).read_text().replace("\n", ",").split(",")
        assert "'=quokka" in cells
        assert not any(cell.startswith("=") for cell in cells)
    for place in (tmp_path / "made").glob("*/=quokka"):
        place.rename(place.with_name("'=quokka"))
    shown = api.Shown(folder=tmp_path / "made")
    plan = api.study_plan({"elicit": 0, "pairs_per_person": 4})
    second = api.new_study(shown, plan, tmp_path / "b", codes_of=first.path)
    assert codes_of(second)["'=quokka"] == code


def test_a_code_is_handed_out_once(study):
    with Answers(study.answers_file) as answers:
        found = [answers.claim(f"{k}") for k in (1, 2, 1, 3, 4, 5)]
    assert found[0] == found[2]
    assert len(set(found)) == 5
    assert found[-1] is None


def test_without_likes_there_are_no_pairs_of_likes_and_no_third_persons(pictures, tmp_path):
    shutil.copytree(pictures / "made", tmp_path / "made")
    shutil.rmtree(tmp_path / "made" / "history")
    shown = api.Shown(folder=tmp_path / "made")
    plan = api.study_plan({"elicit": 0, "pairs_per_person": 6})
    made = api.new_study(shown, plan, tmp_path / "a")
    assert {truth.role for truth in made.key.truths} == {"main", "repeat", "catch-told"}
    third = plan.model_copy(update={"person": "third"})
    with pytest.raises(ConfigError, match="nothing shows third persons"):
        api.new_study(shown, third, tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (api.Shown(), "a study of nothing"),
        (api.Shown(runs=[Path("r")], folder=Path("f")), "runs and a folder"),
        (api.Shown(folder=Path("nowhere")), "no such folder"),
    ],
)
def test_what_nothing_can_be_made_of_is_said_in_one_line(shown, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        api.new_study(shown, api.study_plan({}), tmp_path / "a")


def test_a_folder_that_is_there_is_left_alone(study, pictures):
    before = study.path.stat().st_mtime
    with pytest.raises(ConfigError, match="is there already"):
        make_study(pictures, study.path)
    assert study.path.stat().st_mtime == before


def test_a_damaged_study_is_one_line(study):
    study.study_file.write_text("{}")
    with pytest.raises(DataError, match=r"study\.json: .*Make the study again"):
        StudyFolder(study.path).study  # noqa: B018


def test_a_page_may_load_its_own_alone_and_send_answers_to_where_it_came_from(study):
    page = (study.path / "index.html").read_text()
    assert "default-src &#x27;none&#x27;" in page
    assert "connect-src &#x27;self&#x27;;" in page


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ({"post_to": "https://lab.example/answers"}, "post_to"),
        ({"post_to": "//lab.example/answers"}, "post_to"),
        ({"post_to": "javascript:alert(1)"}, "post_to"),
        ({"completion": "javascript:alert(1)"}, "completion"),
        ({"completion": "app.prolific.com/submissions"}, "completion"),
    ],
)
def test_addresses_that_a_page_cannot_use_are_refused_before_anybody_sees_it(said, option):
    with pytest.raises(ConfigError, match=option):
        api.study_plan(said)
