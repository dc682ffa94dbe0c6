"""A small study: three methods, four people of whom one is called by markup, and its server."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
from PIL import Image

from persongen_bench.api.study import Shown, new_study
from persongen_bench.study.material import Case, Material
from persongen_bench.study.plan import Plan

METHODS = ("zebra-alpha", "zebra-beta", "zebra-gamma")
MARKUP = "<img src=x onerror=boom()>"
USERS = ("quokka-1", "quokka-2", "quokka-3", MARKUP)


def material(n_methods=3, n_users=8, n_cases=12, references=False):
    """Cases without pictures."""
    methods = tuple(f"m{k}" for k in range(n_methods))
    users = [f"u{k}" for k in range(n_users)]
    likes = {user: tuple(f"like {user} {k}" for k in range(9)) for user in users}
    cases = tuple(
        Case(
            user, f"r{k}", {m: f"{m} {user} {k}" for m in methods}, dict.fromkeys(methods, f"s{k}"),
            likes[user][-5:], f"reference {user} {k}" if references else None,
        )
        for user in users
        for k in range(n_cases)
    )  # fmt: skip
    return Material(methods, cases, open, likes=likes, items={f"i{k}": f"i{k}" for k in range(40)})


def write_pictures(folder):
    """``made/METHOD/USER/*.png`` with what people liked, and ``items/*.png``; no two are alike."""
    rng = np.random.default_rng(0)

    def draw(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((24, 24, 3), rng.integers(0, 255, 3), dtype=np.uint8)
        pixels[4:20, 4:20] = rng.integers(0, 255, 3)
        about = {"pnginfo": _about(file)}
        Image.fromarray(pixels).save(file, **about)

    for user in USERS:
        for method in (*METHODS, "history"):
            for k in range(8):
                draw(folder / "made" / method / user / f"{k}.png")
    for k in range(24):
        draw(folder / "items" / f"wombat-{k}.png")
    return folder


def _about(file):
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Made by", str(file))
    return about


def make_study(folder, out, **plan):
    """A study of these pictures."""
    said = {"pairs_per_person": 6, "elicit": 20, "seed": 0, **plan}
    shown = Shown(folder=folder / "made", items=folder / "items")
    return new_study(shown, Plan(**said), out)


def codes_of(study):
    """User => code."""
    return {user: code for code, user in study.codes().items()}


def answer_to(study, code, number=0, /, **changes):
    """A right answer of a participant to the ``number``-th question, as JSON can hold it."""
    from persongen_bench.study.folder import code_hash

    trial = list(study.trials[code_hash(code)].values())[number]
    said = {
        "pair": {"choice": "first"}, "rank": {"order": list(range(len(trial.pictures)))},
        "elicit": {"rating": "like"},
    }[trial.kind]  # fmt: skip
    return {
        "study": study.study.id, "code": code, "trial": trial.id, **said,
        "milliseconds": 1234.5, "said_at": "2026-01-01T00:00:00.000Z", **changes,
    }  # fmt: skip


@contextmanager
def served(study, *options):
    """A server of its own process; yields it and its address."""
    words = ["study", "serve", str(study.path), "--port", "0", *options]
    with subprocess.Popen(
        [sys.executable, "-m", "persongen_bench", *words], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            said = server.stdout.readline()
            yield server, re.search(r"http://\S+?/", said)[0]
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGINT)
            server.stdout.read()  # what it says last, or the end of a killed one


def post(address, document, path="answers", **headers):
    """Status, headers and body of a POST; a document that is no bytes is sent as JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    said = {"Content-Type": "application/json", **headers}
    return fetch(urllib.request.Request(address + path, body, said, method="POST"))


def get(address, path=""):
    """Likewise of a GET."""
    return fetch(urllib.request.Request(address + path))


def fetch(request):
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
