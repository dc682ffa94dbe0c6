"""`pgbench run --sealed`, as a reviewer types it for a method of a stranger."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from persongen_bench.testing.toy import toy_world, write_folder

METHOD = """
import ctypes, json, socket, struct
from pathlib import Path
from persongen_bench.methods._items import FromCatalog, open_choices

DATA, SECRET, PORT = {data!r}, {secret!r}, {port}
libc = ctypes.CDLL(None, use_errno=True)

def opens(path):
    open(path).close()

def opens_by_libc(path):
    if libc.open(str(path).encode(), 0) < 0:
        raise OSError(ctypes.get_errno(), "open")

def connects():
    socket.create_connection(("127.0.0.1", PORT), timeout=5).close()

def connects_by_libc():
    one = libc.socket(2, 1, 0)
    place = struct.pack("=H", 2) + struct.pack("!H", PORT) + bytes([127, 0, 0, 1]) + bytes(8)
    if libc.connect(one, place, 16):
        raise OSError(ctypes.get_errno(), "connect")

def lists():
    if any(Path(DATA).iterdir()):
        return
    raise OSError("nothing there")

class Pries(FromCatalog):
    def fit(self, train, context):
        super().fit(train, context)
        self.attempts()

    def generate(self, samples):
        self.attempts()
        ids = self._train.catalog.ids
        return open_choices(self._train, samples, [ids[0] for _ in samples])

    def attempts(self):
        tries = [lambda: opens(DATA + "/interactions.csv"), lambda: opens(SECRET),
                 lambda: opens_by_libc(DATA + "/interactions.csv"), lambda: opens_by_libc(SECRET),
                 lists, connects, connects_by_libc]
        for place, attempt in enumerate(tries):
            try:
                attempt()
            except OSError:
                continue
            raise AssertionError(f"attempt {place} had what it wanted")
"""


@pytest.fixture
def place(tmp_path):
    """A data folder, a file of somebody else, a server, and a package of a stranger."""
    data = write_folder(toy_world(), tmp_path / "data")
    secret = tmp_path / "somebody" / "letters.txt"
    secret.parent.mkdir()
    secret.write_text("dear diary")
    meta, package = tmp_path / "site" / "prying-1.0.dist-info", tmp_path / "site" / "prying"
    meta.mkdir(parents=True)
    package.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: prying\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(
        "[persongen_bench.methods]\npries = prying:Pries\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        told = {"data": str(data), "secret": str(secret), "port": server.getsockname()[1]}
        text = METHOD
        for name, value in told.items():
            text = text.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
        (package / "__init__.py").write_text(text)
        yield tmp_path, server


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap here")
def test_data_network_and_files_of_others_are_not_there(place):
    root, server = place
    paths = [str(root / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ, "PGBENCH_CACHE": str(root / "cache"), "PYTHONPATH": os.pathsep.join(paths),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "persongen_bench", "run", "--sealed", "-m", "prying/pries",
         "-d", "folder", "--data", str(root / "data"), "--data-option", "like_threshold=2",
         "--stack", "pixels", "--metric", "novelty", "--n-images", "2", "--no-beside",
         "--runs", str(root / "runs")],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with pytest.raises(BlockingIOError):
        server.accept()  # nobody called
    (summary,) = (root / "runs").rglob("summary.json")
    said = json.loads(summary.read_text())
    assert said["n_ok"] == said["n_expected"] > 0
    (note,) = said["notes"]
    assert "was refused" in note
    assert "open" in note
    assert "socket." in note
    assert "dear diary" not in done.stdout + done.stderr
    (log,) = (root / "runs").rglob("provenance.json")
    assert "sealed" in json.loads(log.read_text())["wall"]
