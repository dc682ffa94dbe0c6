"""Methods that look where they must not: at the data set, at memory, at other processes."""

import ctypes
import gc
import importlib
import mmap
import multiprocessing
import os
import runpy
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from cheat_tools.loot import CACHE, DATA, LOG, RUNS, Thief, everywhere, from_dataset, from_folder


def load_folder(loader):
    return from_dataset(loader.load(loader.Config(like_threshold=2), DATA))


class InInit(Thief):
    """Reads the data while it is built."""

    def __init__(self, config):
        super().__init__(config)
        try:
            self._early = from_folder(Path.read_bytes)
        except Exception:
            self._early = {}

    def steal(self):
        return self._early


class Registry(Thief):
    """Loads the data set again by its name."""

    def steal(self):
        from persongen_bench.core import registry

        return load_folder(registry.get("datasets", "folder"))


class ReopenedRegistry(Thief):
    """Opens the registry again first."""

    def steal(self):
        from persongen_bench.core import registry

        for name, value in vars(registry).items():
            if isinstance(value, set | dict | list) and name.startswith("_closed"):
                value.clear()
        registry._installed.cache_clear()
        return load_folder(registry.get("datasets", "folder"))


class Api(Thief):
    """Asks the public functions."""

    def steal(self):
        from persongen_bench import api

        return from_dataset(api.load_dataset("folder", data=DATA))


class Imported(Thief):
    """Imports the module of the data set."""

    def steal(self):
        from persongen_bench.datasets.folder import Folder

        return load_folder(Folder)


class Importlib(Thief):
    """Imports it by importlib, which no audit event tells of."""

    def steal(self):
        module = importlib.import_module("persongen_bench.datasets.folder")
        return load_folder(next(v for k, v in vars(module).items() if hasattr(v, "load")))


class Executed(Thief):
    """Runs the source of the module of the data set by hand."""

    def steal(self):
        import persongen_bench

        file = Path(persongen_bench.__file__).parent / "datasets" / "folder.py"
        module = runpy.run_path(str(file), run_name="stolen")
        return load_folder(next(v for v in module.values() if hasattr(v, "load")))


class CsvByPath(Thief):
    """Reads the files of the data folder."""

    def steal(self):
        return from_folder(Path.read_bytes)


class RelativePath(Thief):
    """Goes there first, and reads by names alone."""

    def steal(self):
        os.chdir(DATA)
        return from_folder(lambda place: Path(place.relative_to(DATA)).read_bytes())


class Descriptor(Thief):
    """Reads by file descriptors, below an opened folder."""

    def steal(self):
        folder = os.open(DATA, os.O_RDONLY)

        def read(place):
            opened = os.open(str(place.relative_to(DATA)), os.O_RDONLY, dir_fd=folder)
            return os.read(opened, 1 << 24)

        return from_folder(read)


class Mapped(Thief):
    """Reads through memory maps."""

    def steal(self):
        def read(place):
            with place.open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)[:]

        return from_folder(read)


class Arrow(Thief):
    """Reads through pyarrow, whose compiled code opens the files."""

    def steal(self):
        from pyarrow import fs

        def read(place):
            with fs.LocalFileSystem().open_input_file(str(place)) as file:
                return file.read()

        return from_folder(read)


class Pillow(Thief):
    """Opens the pictures of the data folder, the last of which are held out."""

    def steal(self):
        files = sorted(everywhere(DATA / "images"))
        pictures = [np.asarray(Image.open(f).convert("RGB")).transpose(2, 0, 1) for f in files]
        return dict.fromkeys(self._train.users, pictures[-2:])


class LibC(Thief):
    """Reads by the C library."""

    def steal(self):
        libc = ctypes.CDLL(None)

        def read(place):
            opened = libc.open(str(place).encode(), os.O_RDONLY)
            buffer = ctypes.create_string_buffer(1 << 20)
            return buffer.raw[: libc.read(opened, buffer, 1 << 20)]

        return from_folder(read)


class Linked(Thief):
    """Links the data folder into its own folder."""

    def steal(self):
        own = Path(self._context.checkpoints) / "data"
        own.symlink_to(DATA)
        return from_folder(lambda place: (own / place.relative_to(DATA)).read_bytes())


class HardLinked(Thief):
    """The same with hard links, one by one."""

    def steal(self):
        own = Path(self._context.checkpoints)

        def read(place):
            os.link(place, own / place.name)
            return (own / place.name).read_bytes()

        return from_folder(read)


class Copied(Thief):
    """Copies the data folder into its own folder."""

    def steal(self):
        own = Path(self._context.checkpoints) / "data"
        shutil.copytree(DATA, own)
        return from_folder(lambda place: (own / place.relative_to(DATA)).read_bytes())


class Program(Thief):
    """Has another program read."""

    def steal(self):
        return from_folder(lambda place: subprocess.check_output(["cat", str(place)]))


class Shell(Thief):
    """Has a shell copy."""

    def steal(self):
        own = Path(self._context.checkpoints) / "data"
        if os.system(f"cp -r {DATA} {own}") != 0:
            return {}
        return from_folder(lambda place: (own / place.relative_to(DATA)).read_bytes())


class Forked(Thief):
    """Has a child read."""

    def steal(self):
        here, there = os.pipe()
        if os.fork() == 0:
            try:
                os.write(there, (DATA / LOG).read_bytes()[:60000])
            finally:
                os._exit(0)
        os.close(there)
        said = os.read(here, 60000)
        if not said:
            return {}
        return from_folder(Path.read_bytes)


def _put(place, into):
    try:
        into.put(Path(place).read_bytes())
    except Exception:
        into.put(b"")


class Spawned(Thief):
    """Has a new Python process read."""

    def steal(self):
        context = multiprocessing.get_context("spawn")

        def read(place):
            into = context.Queue()
            process = context.Process(target=_put, args=(str(place), into))
            process.start()
            process.join(20)
            return into.get(timeout=1)

        return from_folder(read)


class Threaded(Thief):
    """Has another thread read."""

    def steal(self):
        said = {}

        def work():
            try:
                said.update(from_folder(Path.read_bytes))
            except Exception:
                said.clear()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return said


class Garbage(Thief):
    """Looks for the data set in memory."""

    def steal(self):
        for one in gc.get_objects():
            if type(one).__name__ == "Dataset" and len(one.interactions):
                return from_dataset(one)
            if type(one).__name__ in ("World", "Evaluation"):
                return from_dataset(getattr(one, "dataset", None) or one.world.dataset)
        return {}


class HeldOutView(Thief):
    """Looks for a view that holds other items than the training view."""

    def steal(self):
        mine = set(self._train.catalog.ids)
        for one in gc.get_objects():
            if type(one).__name__ == "View" and not set(one.catalog.ids) <= mine:
                liked = one.liked_items
                return {user: one.catalog.images(list(own)[:2]) for user, own in liked.items()}
        return {}


class Frames(Thief):
    """Walks the callers' frames."""

    def steal(self):
        frame = sys._getframe()
        while frame is not None:
            for value in list(frame.f_locals.values()):
                for one in (value, getattr(value, "world", None), getattr(value, "test", None)):
                    data = getattr(one, "dataset", one)
                    if hasattr(data, "splits") and hasattr(data, "interactions"):
                        return from_dataset(data)
            frame = frame.f_back
        return {}


class Wire(Thief):
    """Asks the other side itself, for pictures that its view has not."""

    def steal(self):
        cell = next(o for o in gc.get_objects() if type(o).__name__ == "Cell" and hasattr(o, "ask"))
        loot = {}
        for what, of in (("pictures", "test"), ("pictures", "held_out"), ("references", ""),
                         ("pictures", ""), ("features", "/image_encoder")):  # fmt: skip
            try:
                some = cell.ask(what, of, ["item-0"])
                loot = dict.fromkeys(self._train.users, some)
            except Exception:
                continue
        return loot


class Disarmed(Thief):
    """Finds the guard in memory and has it allow everything, and forget."""

    def steal(self):
        for one in gc.get_objects():
            if type(one).__name__ == "Guard":
                one._reads, one._writes, one._hidden, one._modules = ("/",), ("/",), (), ()
        try:
            return from_folder(Path.read_bytes)
        finally:
            for one in gc.get_objects():
                if type(one).__name__ == "Guard":
                    one.refused.clear()


class Parent(Thief):
    """Asks the process that started it: arguments, surroundings, open files, memory."""

    def steal(self):
        for pid in (os.getppid(), *_above()):
            for name in ("cmdline", "environ", "maps", "cwd", "fd/0"):
                try:
                    return {"": [Path(f"/proc/{pid}/{name}").read_bytes()]} and from_folder(
                        Path.read_bytes
                    )
                except OSError:
                    continue
        return {}


def _above():
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


class ParentMemory(Thief):
    """Reads the memory of its parent."""

    def steal(self):
        with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
            memory.read(1)
        return from_folder(Path.read_bytes)


class Descriptors(Thief):
    """Looks through the files that it inherited."""

    def steal(self):
        for number in range(3, 64):
            try:
                name = os.readlink(f"/proc/self/fd/{number}")
            except OSError:
                continue
            if str(DATA) in name or str(RUNS) in name or str(CACHE) in name:
                return from_folder(Path.read_bytes)
        return {}


class Caches(Thief):
    """Looks through the cache: features of everything, fits of others."""

    def steal(self):
        rows = [np.load(file) for file in everywhere(CACHE / "features") if file.suffix == ".npy"]
        return from_folder(Path.read_bytes) if rows else {}


class OtherRuns(Thief):
    """Takes the answers of a run that was made before."""

    def steal(self):
        files = [file for file in everywhere(RUNS) if file.suffix == ".png"]
        pictures = [np.asarray(Image.open(f).convert("RGB")).transpose(2, 0, 1) for f in files]
        return dict.fromkeys(self._train.users, pictures[:2])


class Journal(Thief):
    """Reads the journal of a run."""

    def steal(self):
        for file in everywhere(RUNS):
            if file.suffix == ".sqlite":
                sqlite3.connect(file).execute("SELECT * FROM samples").fetchall()
                return from_folder(Path.read_bytes)
        raise FileNotFoundError(RUNS)


class Network(Thief):
    """Asks a server for the answers."""

    def steal(self):
        with socket.create_connection(("127.0.0.1", 9), timeout=1) as server:
            return {"": [server.recv(1)]}


class Upwards(Thief):
    """Reads by names below a folder that it may open, and up from there."""

    def steal(self):
        folder = os.open("/usr", os.O_RDONLY)

        def read(place):
            opened = os.open("../" + str(place).lstrip("/"), os.O_RDONLY, dir_fd=folder)
            return os.read(opened, 1 << 24)

        return from_folder(read)


class ForkServer(Thief):
    """Speaks to whoever forked it, by every socket that it holds."""

    def steal(self):
        for number in range(3, 64):
            try:
                one = socket.socket(fileno=os.dup(number))
                one.settimeout(0.2)
                one.recv(1, socket.MSG_PEEK)
            except OSError:
                continue
        return {}
