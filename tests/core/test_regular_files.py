"""Files that others name: never waited for, never followed out of their folder."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest

from persongen_bench.core import images
from persongen_bench.core.errors import DataError
from persongen_bench.core.output import IMAGE, RANKING
from persongen_bench.core.regular_files import open_regular, read_regular, require_inside
from persongen_bench.loop.store import read_file


def pipe(folder):
    os.mkfifo(folder / "x")
    return folder / "x"


def link_to_a_pipe(folder):
    os.mkfifo(folder / "pipe")
    (folder / "x").symlink_to("pipe")
    return folder / "x"


def listening(folder):
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(folder / "x"))
    server.close()
    return folder / "x"


def device(folder):
    return (folder / "/dev/zero").resolve()


def folder_itself(folder):
    return folder


def loop_of_links(folder):
    (folder / "x").symlink_to("y")
    (folder / "y").symlink_to("x")
    return folder / "x"


def nothing(folder):
    return folder / "x"


def below_a_file(folder):
    (folder / "f").write_bytes(b"")
    return folder / "f" / "x"


def name_with_nul(folder):
    return folder / "a\0b"


def lone_surrogate(folder):
    return folder / "a\ud800b"


def long_name(folder):
    return folder / ("a" * 5000)


STRANGE = [pipe, link_to_a_pipe, listening, device, folder_itself, loop_of_links, nothing,
           below_a_file, name_with_nul, lone_surrogate, long_name]  # fmt: skip


@pytest.mark.parametrize("make", STRANGE, ids=lambda f: f.__name__)
def test_everything_but_a_regular_file_is_one_line(tmp_path, make):
    path = make(tmp_path)
    readers = (
        open_regular,
        read_regular,
        images.read,
        images.n_pixels,
        lambda p: images.read(p, p.parent),
        lambda p: read_file(p, IMAGE),
        lambda p: read_file(p, RANKING),
    )
    for reader in readers:
        with pytest.raises(DataError) as caught:
            reader(path)
        assert str(caught.value).isprintable()


def test_a_swap_after_the_look_is_seen_when_it_is_open(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"data")
    os.mkfifo(tmp_path / "pipe")
    real = os.open
    monkeypatch.setattr(os, "open", lambda _, flags: real(tmp_path / "pipe", flags))
    with pytest.raises(DataError, match="is a named pipe"):
        open_regular(tmp_path / "x")


def test_regular_files_and_links_to_them_are_read(tmp_path):
    (tmp_path / "x").write_bytes(b"data")
    (tmp_path / "y").symlink_to("x")
    assert read_regular(tmp_path / "y") == b"data"
    with pytest.raises(DataError, match="4 bytes, more than the 3 allowed"):
        read_regular(tmp_path / "y", most=3)
    image = np.zeros((3, 2, 2), dtype=np.uint8)
    (tmp_path / "x").write_bytes(images.png_bytes(image))
    np.testing.assert_array_equal(images.read(tmp_path / "y", tmp_path), image)


def test_paths_that_lead_out_are_refused(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "x").write_bytes(b"")
    (inside / "link").symlink_to("../x")
    for path in (inside / "link", inside / ".." / "x", tmp_path / "in2"):
        with pytest.raises(DataError, match="outside"):
            require_inside(path, inside)
    require_inside(inside / "y", inside)
