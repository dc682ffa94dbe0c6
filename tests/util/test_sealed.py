"""Entries of the cache have checksums: whatever is done to one, it is noticed and made again."""

import errno
import json
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import numpy as np
import pytest
from safetensors.numpy import save_file

from persongen_bench.core.errors import ConfigError
from persongen_bench.util import cache_places, files, private, sealed
from persongen_bench.util.cache_places import disk_errors, locked_entry, make_folder
from persongen_bench.util.sealed import (
    SUFFIX,
    SUMS,
    framed,
    kept_file,
    read_sealed,
    sealed_folder,
    sound_folder,
    unframed,
    write_sealed,
)

DAMAGES = {
    "flipped": lambda data: data[:2] + bytes([data[2] ^ 0x10]) + data[3:],
    "cut": lambda data: data[:-3],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"1",
    "other": lambda data: b'"abcdefgh"',
}
damaged = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@damaged
@pytest.mark.parametrize("which", ["", SUFFIX])
def test_a_damaged_file_is_noticed_and_made_again(tmp_path, caplog, damage, which):
    file = tmp_path / "deep" / "entry.json"
    made = []

    def make():
        made.append(1)
        return b'"12345678"'

    assert kept_file(file, json.loads, make) == kept_file(file, json.loads, make) == "12345678"
    assert len(made) == 1
    spoilt = file.with_name(file.name + which)
    spoilt.write_bytes(damage(spoilt.read_bytes()))
    assert kept_file(file, json.loads, make) == "12345678"
    assert (len(made), caplog.text.count("made again")) == (2, 2)  # before and inside the lock
    assert kept_file(file, json.loads, make) == "12345678"
    assert len(made) == 2


def test_an_entry_of_before_is_read_and_gets_a_checksum(tmp_path, caplog):
    file = tmp_path / "old.json"
    file.write_bytes(b"[1]")
    assert read_sealed(file, json.loads) == [1]
    file.write_bytes(b"[2]")
    assert read_sealed(file, json.loads) is None
    assert "made again" in caplog.text
    file.with_name("old.json.sha256").unlink()
    file.write_bytes(b"[2")  # of before, and torn
    assert read_sealed(file, json.loads) is None


def test_a_kill_between_an_entry_and_its_checksum_costs_no_more_than_making_it(
    tmp_path, monkeypatch
):
    file = tmp_path / "entry.json"
    write_sealed(file, b"[1]")
    monkeypatch.setattr(sealed, "_seal", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_sealed(file, b"[2]")
    monkeypatch.undo()
    assert read_sealed(file, json.loads) is None
    assert kept_file(file, json.loads, lambda: b"[2]") == [2]


@damaged
@pytest.mark.parametrize("which", ["weights.safetensors", "deep/facts.json", SUMS])
def test_a_damaged_folder_is_noticed(tmp_path, caplog, damage, which):
    folder = tmp_path / "fit"
    with sealed_folder(folder) as fresh:
        save_file({"a": np.arange(4.0)}, fresh / "weights.safetensors")
        (fresh / "deep").mkdir()
        (fresh / "deep" / "facts.json").write_text('{"a": 123}')
    assert sound_folder(folder)
    assert not sound_folder(tmp_path / "none")
    (folder / which).write_bytes(damage((folder / which).read_bytes()))
    assert not sound_folder(folder)
    assert "made again" in caplog.text
    if which != SUMS:
        (folder / which).unlink()
        assert not sound_folder(folder)


def test_a_folder_of_before_gets_checksums_unless_it_cannot_be_read(tmp_path):
    folder = tmp_path / "fit"
    folder.mkdir()
    save_file({"a": np.arange(4.0)}, folder / "weights.safetensors")
    assert sound_folder(folder)
    assert json.loads((folder / SUMS).read_text()).keys() == {"weights.safetensors"}
    (folder / SUMS).unlink()
    whole = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(whole[:-4])
    assert not sound_folder(folder)


def test_data_in_a_frame_come_back_or_are_refused():
    for data in (b"", b"x", bytes(range(256))):
        inside = framed(data)
        assert unframed(inside) == data
        if data:
            with pytest.raises(ValueError, match="not what was written"):
                unframed(inside[:-1] + bytes([inside[-1] ^ 1]))
    assert unframed(b"of before") == b"of before"


def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "features").write_text("")
    for folder in (tmp_path / "features", tmp_path / "features" / "model"):
        with pytest.raises(ConfigError, match=r"a file is in its place.*PGBENCH_CACHE"):
            make_folder(folder)
    with pytest.raises(ConfigError, match="a file is in its place"):
        kept_file(tmp_path / "features" / "a.json", json.loads, lambda: b"1")


def test_what_other_libraries_say_of_the_disk_is_an_error_of_the_disk():
    with pytest.raises(OSError, match="No space left") as caught, disk_errors():
        raise RuntimeError("Error while serializing: I/O error: ... (os error 28)")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(KeyError), disk_errors():
        raise KeyError("a")


def test_an_entry_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    class ReadOnly:
        def __init__(self, file): ...

        def acquire(self):
            raise OSError(errno.EROFS, "Read-only file system")

        def release(self): ...

    monkeypatch.setattr(cache_places, "FileLock", ReadOnly)
    with cache_places.locked_entry(tmp_path / "fit"):
        pass


def test_every_file_is_flushed_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    real, rename = files.flush, type(tmp_path).rename
    monkeypatch.setattr(files, "flush", lambda place: (order.append(place.name), real(place)))
    monkeypatch.setattr(
        type(tmp_path), "rename", lambda self, to: (order.append(f"> {to.name}"), rename(self, to))
    )
    with files.folder_atomic(tmp_path / "fit") as fresh:
        (fresh / "a.bin").write_bytes(b"a")
    named = order.index("> fit")
    assert "a.bin" in order[:named]
    assert any(name.startswith(".fit.") for name in order[:named])
    assert tmp_path.name in order[named:]
    assert [place.name for place in tmp_path.iterdir()] == ["fit"]


def test_a_damaged_key_of_pseudonyms_is_refused_and_a_damaged_place_forgotten(
    tmp_path, monkeypatch
):
    """Another key would be other names: it cannot be made again."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    first = private.Pseudonyms.of_this_machine().fingerprint
    assert private.Pseudonyms.of_this_machine().fingerprint == first
    key = tmp_path / "private" / "pseudonyms.key"
    key.write_bytes(bytes([key.read_bytes()[0] ^ 1]) + key.read_bytes()[1:])
    with pytest.raises(ConfigError, match="not the one that was written"):
        private.Pseudonyms.of_this_machine()
    private.remember_place("toy", "r", tmp_path / "data")
    (place,) = (tmp_path / "private" / "places").glob("*.json")
    assert private.recall_place("toy", "r") == tmp_path / "data"
    place.write_text(place.read_text().replace("data", "dada"))
    assert private.recall_place("toy", "r") is None


def test_two_who_remember_different_places_leave_one_of_them(tmp_path, monkeypatch):
    """The second comes when the first has written its place, and not yet the checksum of it."""
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    both, write = Barrier(2), sealed._seal

    def late(path, data):
        with suppress(BrokenBarrierError):
            both.wait(0.2)  # nobody else comes where the lock keeps them off
        write(path, data)

    monkeypatch.setattr(sealed, "_seal", late)
    roots = [tmp_path / "one", tmp_path / "two"]
    two = [Thread(target=private.remember_place, args=("toy", "r", root)) for root in roots]
    for one in two:
        one.start()
    for one in two:
        one.join()
    assert private.recall_place("toy", "r") in roots


def test_what_killed_writers_left_is_swept_by_the_next_of_the_same_entry(tmp_path):
    kept_file(tmp_path / "other.json", json.loads, lambda: b"1")
    left = [tmp_path / f".{name}.0123abcd" for name in ("a.json", f"a.json{SUFFIX}", "fit")]
    others = [
        tmp_path / name for name in (".b.json.0123abcd", ".lock", ".a.json.not-hex", "a.json")
    ]
    for place in left[:2] + others:
        place.write_text("1")
    (left[2] / "deep").mkdir(parents=True)
    (left[2] / "deep" / "file").write_text("")
    others[-1].unlink()
    assert kept_file(tmp_path / "a.json", json.loads, lambda: b"1") == 1
    with locked_entry(tmp_path / "fit"):
        assert not [place.name for place in left if place.exists()]
    assert all(place.exists() for place in others)


def test_nobody_sees_a_part_of_what_is_removed(tmp_path, monkeypatch):
    """Not where the one who removes it is killed half way either."""
    place = tmp_path / "entry"
    place.mkdir()
    (place / "file").write_text("")
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
    files.remove_whole(place)
    assert not place.exists()
    monkeypatch.undo()
    files.sweep(tmp_path)
    files.remove_whole(place)
    assert not list(tmp_path.iterdir())
