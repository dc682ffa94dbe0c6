"""Texts that may be shared: no place of this machine, no name of its owner."""

import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.util import private
from persongen_bench.util.privacy import (
    command_line,
    without_folder,
    without_places,
    without_places_in,
)

DATA = "/srv/alice-smith/my shop"


@pytest.fixture(autouse=True)
def owner(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/accounts/alice-smith")
    monkeypatch.setenv("LOGNAME", "alice-smith")
    monkeypatch.setattr("platform.node", lambda: "alices-laptop")
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{DATA}/images/5.png: not readable", "<data>/images/5.png: not readable"),
        ("KeyError (/accounts/alice-smith/code/mine.py:12)", "KeyError (<path>/code/mine.py:12)"),
        ("no file ~/shop/items.csv", "no file <path>/items.csv"),
        ("no file '/opt/some where/weights.pt'", "no file '<path>/weights.pt'"),
        (r"no file C:\Users\Alice\shop\a.png", "no file <path>/a.png"),
        (r"no file \\server\share\a.png", "no file <path>/a.png"),
        ("file:///opt/x/a.png is gone", "<path>/a.png is gone"),
        ("PATH=/opt/bin:/usr/bin", "PATH=<path>"),
        ("(/opt/secret)", "(<path>)"),
        ("who is alice-smith on alices-laptop?", "who is <user> on <host>?"),
        # What is no place of this machine stays.
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("images/5.png: 3/4 of dist/name at 10:30", "images/5.png: 3/4 of dist/name at 10:30"),
        ("inception/clean and alice-smithson", "inception/clean and alice-smithson"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_text_tells_no_place(text, left):
    assert without_places(text, {DATA: "<data>"}) == left


def test_every_text_of_a_document_is_seen_to():
    document = {"a": ["/opt/x", 1, None, {"b": ("~/y", True)}]}
    assert without_places_in(document) == {"a": ["<path>", 1, None, {"b": ["<path>", True]}]}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("run --data /srv/x/shop -m rebeca", "run --data <data> -m rebeca"),
        ("run --data=/srv/x/shop", "run --data=<data>"),
        ("run --data ../shop --runs runs", "run --data <data> --runs runs"),
        ("run --data alice-smith/shop", "run --data <data>"),
        ("run --runs ~/runs", "run --runs <runs>"),
        ("resume /accounts/alice-smith/runs/one", "resume <path>"),
        ("run -o weights=/opt/w.pt", "run -o weights=<path>/w.pt"),
        ("run --label alice-smith -m dist/name", "run --label <user> -m dist/name"),
    ],
)
def test_a_command_line_tells_no_place(typed, kept):
    said = command_line(["/accounts/alice-smith/bin/pgbench", *typed.split()])
    assert said == ["pgbench", *kept.split()]


def test_a_name_that_everybody_has_is_no_secret(monkeypatch):
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("USER", "root")
    monkeypatch.setenv("HOME", "/root")
    assert without_places("root mean square") == "root mean square"


# --- what stays on the machine ------------------------------------------------------------------


def test_pseudonyms_are_those_of_the_key(tmp_path, monkeypatch):
    here = private.Pseudonyms.of_this_machine()
    again = private.Pseudonyms.of_this_machine()
    assert here.user("ann") == again.user("ann") != here.user("ben")
    assert here.fingerprint == again.fingerprint
    key = tmp_path / "cache" / "private" / "pseudonyms.key"
    assert key.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "other"))
    other = private.Pseudonyms.of_this_machine()
    assert other.user("ann") != here.user("ann")
    assert other.fingerprint != here.fingerprint


def test_a_pseudonym_is_the_hmac_that_it_says():
    # RFC 2104 with SHA-256, by the standard library on the bytes that the docstring names.
    import hashlib
    import hmac

    names = private.Pseudonyms(b"k" * 32)
    said = hmac.new(b"k" * 32, b"user\0ann", hashlib.sha256).hexdigest()
    assert names.user("ann") == f"u-{said[:16]}"
    assert names.request("ann")[2:] != names.user("ann")[2:] != names.sample("ann")[1:]


def test_a_sample_is_renamed_once():
    names = private.Pseudonyms(b"k" * 32)
    assert names.sample(names.sample("0123456789abcdef")) == names.sample("0123456789abcdef")


def test_a_key_that_was_cut_is_told(tmp_path):
    private.Pseudonyms.of_this_machine()
    (tmp_path / "cache" / "private" / "pseudonyms.key").write_bytes(b"short")
    with pytest.raises(ConfigError, match="not a key of 32 bytes"):
        private.Pseudonyms.of_this_machine()


def test_places_are_remembered_by_name_and_content(tmp_path):
    assert private.recall_place("folder", "r1") is None
    private.remember_place("folder", "r1", tmp_path / "a")
    private.remember_place("folder", "r2", tmp_path / "b")
    private.remember_place("folder", "r1", tmp_path / "c")
    assert private.recall_place("folder", "r1") == tmp_path / "c"
    assert private.recall_place("folder", "r2") == tmp_path / "b"
    for file in (tmp_path / "cache" / "private" / "places").iterdir():
        file.write_text("{")
    assert private.recall_place("folder", "r1") is None


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("/home/somebody/weights.safetensors", "<path>/weights.safetensors"),
        ("~/runs", "<path>"),
        ("C:\\Users\\me\\w.bin", "<path>/w.bin"),
        ("weights/w.bin", "weights/w.bin"),
        ("0.5", "0.5"),
    ],
)
def test_an_option_tells_no_folder(value, left):
    """Labels hold the options that were set; they stand in every shared table."""
    assert without_folder(value) == left
    label = MethodChoice("random-item", options={"weights": value}).label
    assert label == f"random-item[weights={left}]"
