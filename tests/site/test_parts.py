"""Laws of the parts: budgets, names, thumbnails, scripts, audits."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import plain
from persongen_bench.instruments.audit.rows import Audit, Estimate, MetricAudit
from persongen_bench.site.cards import read_audit
from persongen_bench.site.chosen import LEAST, in_order, shares
from persongen_bench.site.documents import Index, Pictures
from persongen_bench.site.names import shown_names
from persongen_bench.site.script import read_script, script
from persongen_bench.site.thumbs import SIDE, Thumbs

SIZES = st.integers(0, 3000)


@given(SIZES, st.integers(0, 300), SIZES)
def test_shares_keep_to_the_room(most, n_users, per_row):
    people, each = shares(most, n_users, per_row)
    assert 0 <= people <= n_users
    if most <= per_row and n_users and most and per_row:
        assert (people, each) == (n_users, most)
    else:
        assert people * each <= per_row
        assert not (most and n_users and per_row) or people * each > 0


def test_more_people_before_more_pictures_of_each():
    assert shares(210 * 25, 210, 100) == (25, LEAST)
    assert shares(210 * 25, 210, 210 * 10) == (210, 10)
    assert shares(10, 10, 3) == (3, 1)


@given(st.sets(st.text(min_size=1), min_size=2, max_size=9))
def test_somebody_more_does_not_change_the_order(users):
    names = sorted(users)
    whole = in_order(names)
    assert [one for one in whole if one != names[0]] == in_order(names[1:])


@given(st.sets(st.text(max_size=4) | st.sampled_from(["a", "a ", "a\u200b", "a (2)", "\u202ea"])))
def test_everybody_has_a_name_of_their_own(names):
    shown = shown_names(names)
    assert set(shown) == names
    assert len(set(shown.values())) == len(names)
    assert all(text and text == plain(text) for text in shown.values())


@pytest.fixture
def picture():
    """Smooth, as pictures are."""
    rows, columns = np.mgrid[0:300, 0:200]
    return np.stack([rows * 0.8, columns * 1.2, (rows + columns) * 0.5]).astype(np.uint8)


def test_small_pictures_are_kept_exactly(tmp_path, picture):
    small = np.ascontiguousarray(picture[:, :100, :SIDE])
    address = Thumbs(tmp_path).add(small)
    assert np.array_equal(images.read(tmp_path / address), small)


def test_large_pictures_keep_their_proportions(tmp_path, picture):
    made = images.read(tmp_path / Thumbs(tmp_path).add(picture))
    assert made.shape == (3, SIDE, round(200 * SIDE / 300))
    exact = images.to_pil(picture).resize((made.shape[2], SIDE))
    error = np.abs(images.from_pil(exact).astype(int) - made).mean()
    assert error < 3


def test_equal_pictures_are_one_file_and_others_are_not(tmp_path, picture):
    thumbs = Thumbs(tmp_path)
    first, again, other = (thumbs.add(one) for one in (picture, picture.copy(), picture[::-1]))
    assert first == again != other
    assert len(list(tmp_path.rglob("*.webp"))) == len(thumbs) == 2
    assert first.startswith(f"thumbs/{first.split('/')[2][:2]}/")


@given(
    st.from_regex(r"[a-z0-9/-]+", fullmatch=True), st.text() | st.sampled_from(["'", "\\'", "\\"])
)
def test_documents_come_back_and_end_no_script(key, text):
    written = script(key, Index(made_by=text, boards=()))
    own, content = read_script(written)
    assert (own, content["made_by"]) == (key, text)
    assert written.isascii()
    assert not set(b"<>&") & set(written)
    assert written.count(b"\n") == 1


@pytest.mark.parametrize("data", [
    b"", b"PGBENCH.put(1);\n", b"alert(1);\n", b"\xff",
    b"""PGBENCH.put("index",JSON.parse('{}'));alert('1'));\n""",
    b"""PGBENCH.put("index",JSON.parse('{"a":"\\\x41"}'));\n""",
    b"""PGBENCH.put("index",JSON.parse('{\n}'));\n""",
    b"""PGBENCH.put("index",{});\n""",
])  # fmt: skip
def test_anything_else_is_no_document(data):
    with pytest.raises(ValueError):
        read_script(data)


def test_no_text_names_a_document():
    with pytest.raises(ValueError):
        script('index",alert(1),"', Index(made_by="", boards=()))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_every_key_reaches_a_script():
    """In an object literal one of them would be the prototype."""
    users = dict.fromkeys(("__proto__", "constructor", "it's \\ \u2028"), ())
    written = script("pictures/a/0", Pictures(row=0, label="", users=users)).decode()
    heard = (
        "const PGBENCH = {put: (key, own) => console.log(JSON.stringify(Object.keys(own.users)))};"
    )
    done = subprocess.run(
        ["node", "-e", heard + written], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == list(users)


def test_an_audit_is_read_as_it_is_exported(tmp_path):
    row = MetricAudit(
        metric="recall@5", family="taste", direction="higher", level="user",
        over_methods=Estimate(value=0.7, low=0.5, high=0.8), over_users=Estimate(),
        best_honest=0.1, hacked=0.2, hacked_taste=0.3, fooled_by=("a", "b"),
    )  # fmt: skip
    made = Audit(
        board="tasteworld", world={}, n_users=24, methods={}, anchors={}, hackers={},
        n_candidates=64, alpha=0.05, rows=(row,),
    )  # fmt: skip
    file = tmp_path / "metric-audit.json"
    file.write_text(made.model_dump_json(indent=1))
    line = read_audit(file)["recall@5"]
    assert line["over_methods"] == {"value": 0.7, "low": 0.5, "high": 0.8}
    assert (line["fooled_by"], line["board"], line["n_users"]) == (["a", "b"], "tasteworld", 24)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rows": [{}]}', json.dumps({"rows": 3})])
def test_no_audit(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match="not an audit of metrics"):
        read_audit(tmp_path / "a.json")
    with pytest.raises(ConfigError, match=r"missing\.json"):
        read_audit(tmp_path / "missing.json")
