"""Malformed deliveries: a folder with a manifest, and answers in memory."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_case import Case
from fuzz_inputs import STRANGERS, damages, special, write
from fuzz_tables import PICTURE

from persongen_bench.core.output import ADAPTER, IMAGE, RANKING, Ranking
from persongen_bench.core.request import Request
from persongen_bench.loop.manifest import check_number, from_folder, from_values

REQUESTS = [Request(f"00{k}", (), 2) for k in range(3)]
HEADER = "user_id,image,index\n"
GOOD = HEADER + "".join(f"00{k},a.png,{index}\n" for k in range(3) for index in range(2))
RANKED = '{"item_ids": ["a", "b"], "scores": [1.0, 0.5]}'


def deliver(folder: Path, kind: Any) -> None:
    """Reads a delivery as ``score`` does."""
    answers = from_folder(folder, REQUESTS, kind or IMAGE)
    check_number(answers, REQUESTS, 2)
    assert all(answer.open() is not None for answer in answers)


def hand_over(_: Path, values: Any) -> None:
    """Reads answers in memory."""
    kind, given = values
    check_number(from_values(given, REQUESTS, kind), REQUESTS, 2)


def folder_of(*makes: Callable[[Path], Any], manifest: str | bytes = GOOD) -> Any:
    """A good delivery with this manifest, then what spoils it."""

    def make(folder: Path) -> None:
        write("manifest.csv", manifest)(folder)
        write("a.png", PICTURE)(folder)
        write("sub/b.png", PICTURE)(folder)
        write("adapter.safetensors", b"no")(folder)
        for spoil in makes:
            spoil(folder)

    return make


def manifests() -> list[Case]:
    """Manifests that are none, cut ones, and rows that mean nothing."""
    cases = []
    for what, data in (damages(GOOD.encode(), 8, 8) | STRANGERS).items():
        cases.append(Case(f"manifest: {what}", folder_of(manifest=data),
                          may_pass=what not in STRANGERS))  # fmt: skip
    for what, make in special("manifest.csv").items():
        cases.append(Case(f"manifest: {what}", folder_of(make)))
    for what, make in special("a.png").items():
        cases.append(Case(f"answer: {what}", folder_of(make)))
    for what, text in TEXTS.items():
        cases.append(Case(f"manifest: {what}", folder_of(manifest=text), may_pass=what in RIGHT))
    for cell in INDICES:
        row = f"000,a.png,{cell}\n001,a.png,0\n"
        cases.append(Case(f"index {cell[:20]!r}", folder_of(manifest=HEADER + row)))
    for user in USERS:
        quoted = user.replace('"', '""')
        cases.append(
            Case(f"user {user[:20]!r}", folder_of(manifest=f'{HEADER}"{quoted}",a.png,0\n'))
        )
    for name in PATHS:
        quoted = name.replace('"', '""')
        cases.append(Case(f"path {name[:20]!r}", folder_of(manifest=f'{HEADER}000,"{quoted}",0\n'),
                          may_pass=name in ("./a.png", "sub//b.png", "sub/../a.png",
                          "a.png/")))  # fmt: skip
    return cases


RIGHT = ("no index", "a state of ok", "blanks", "an extra column")
TEXTS = {
    "from 1": HEADER + "000,a.png,1\n000,a.png,2\n",
    "one of 100,000": HEADER + "000,a.png,0\n000,a.png,100000\n",
    "one of 5": HEADER + "000,a.png,0\n001,a.png,5\n", "twice": HEADER + "000,a.png,0\n" * 2,
    "more than asked": HEADER + "".join(f"000,a.png,{k}\n" for k in range(3)),
    "semicolons": GOOD.replace(",", ";"), "no header": GOOD.partition("\n")[2],
    "capitals": GOOD.replace("user_id", "User ID"), "no image": GOOD.replace("image", "picture"),
    "a state": "user_id,image,state\n000,a.png,refused\n", "header alone": HEADER,
    "a state of ok": "user_id,image,state\n000,a.png,ok\n",
    "no index": "user_id,image\n000,a.png\n",
    "an unknown request": "user_id,image,request_id\n000,a.png,nothing\n",
    "another's request": f"user_id,image,request_id\n000,a.png,{REQUESTS[1].request_id}\n",
    "leading zeros lost": HEADER + "0,a.png,0\n1,a.png,0\n",
    "decimal users": HEADER + "0.0,a.png,0\n",
    "100,000 rows of nobody": HEADER + "nobody,a.png,0\n" * 100_000,
    "100,000 columns": "user_id,image" + ",c" * 100_000 + "\n000,a.png\n",
    "a formula": HEADER + "=1+1,a.png,0\n", "blanks": HEADER + " 000 , a.png , 0 \n",
    "an extra column": "user_id,image,note\n000,a.png,x\n",
}  # fmt: skip
INDICES = ("-1", "1.5", "nan", "inf", "x", "1e5", "100001", "9" * 5_000, "1e300", "\u0661", "0x1",
           "-0.5", "1,0", " ", "true", "=0")  # fmt: skip
USERS = ("", " ", "nobody", "0", "00", "000 0", "\x1b[31m000", "\u202e000", "x" * 600, "0\u0660 0",
         "000\u200b", "O00", "000.0", '"', "0" * 20, "nan", "{user_id}")  # fmt: skip
PATHS = ("", ".", "..", "../a.png", "/etc/passwd", "/dev/zero", "sub", "sub/../../a.png", "a.png\0",
         "./a.png", "sub//b.png", "sub/../a.png", "a.png/", "A.PNG", "sub\\b.png", "x" * 300,
         "x/" * 3_000,
         "http://example.org/a.png", "C:\\a.png", "~/a.png", "\x1b[31m.png", "manifest.csv",
         "/proc/self/environ", "%61.png")  # fmt: skip


def rankings() -> list[Case]:
    """Ranked lists that are none."""
    texts = {
        "a list": "[]", "null": "null", "a number": "7", "no ids": "{}",
        "empty": '{"item_ids": []}',
        "ids of numbers": '{"item_ids": [1, 2]}', "ids of text": '{"item_ids": "abc"}',
        "ids null": '{"item_ids": null}', "an empty id": '{"item_ids": [""]}',
        "twice": '{"item_ids": ["a", "a"]}', "another field": '{"item_ids": ["a"], "x": 1}',
        "a field twice": '{"item_ids": ["a"], "item_ids": ["b"]}',
        "scores of text": '{"item_ids": ["a"], "scores": ["x"]}',
        "scores of NaN": '{"item_ids": ["a"], "scores": [NaN]}',
        "scores infinite": '{"item_ids": ["a"], "scores": [1e999]}',
        "scores rising": '{"item_ids": ["a", "b"], "scores": [0, 1]}',
        "too few scores": '{"item_ids": ["a", "b"], "scores": [1]}',
        "scores null": '{"item_ids": ["a"], "scores": [null]}',
        "scores an object": '{"item_ids": ["a"], "scores": {}}',
        "scores of 400 digits": '{"item_ids": ["a"], "scores": [' + "9" * 400 + "]}",
        "scores of 5,000 digits": '{"item_ids": ["a"], "scores": [' + "9" * 5_000 + "]}",
        "deep": '{"item_ids": ' + "[" * 100_000, "a lone surrogate": '{"item_ids": ["\\ud800"]}',
        "an id in colour": '{"item_ids": ["\\u001b[31m", "\\u001b[31m"]}',
        "a field of 1 MB": '{"' + "x" * 1_000_000 + '": 1, "item_ids": ["a"]}',
        "ids nested": '{"item_ids": [["a"]]}', "truths": '{"item_ids": [true]}',
        "an id of 1 MB": json.dumps({"item_ids": ["x" * 1_000_000] * 2}),
    }  # fmt: skip
    whole = {what: text.encode() for what, text in texts.items()} | STRANGERS
    cases = [_ranking(what, data) for what, data in whole.items()]
    return cases + [_ranking(what, data, may_pass=True)
                    for what, data in damages(RANKED.encode(), 6, 8).items()]  # fmt: skip


def _ranking(what: str, data: bytes, *, may_pass: bool = False) -> Case:
    def make(folder: Path) -> Any:
        write("manifest.csv", "user_id,ranking\n000,r.json\n")(folder)
        write("r.json", data)(folder)
        return RANKING

    return Case(f"ranking: {what}", make, may_pass=may_pass)


def _given(kind: Any, values: Any, folder: Path) -> Any:
    del folder
    return kind, values


def values() -> list[Case]:
    """Answers in memory that break the contract of their kind."""
    good = np.zeros((3, 4, 4), np.uint8)
    pictures = {
        "floats": good.astype(float), "grey": good[0], "last axis": np.zeros((4, 4, 3), np.uint8),
        "no pixels": good[:, :0], "a batch": good[None], "a list": [[1]], "a text": "a.png",
        "four channels": np.zeros((4, 4, 4), np.uint8), "huge": np.broadcast_to(np.uint8(0), (3,
        9_000, 9_000)),
        "long": np.broadcast_to(np.uint8(0), (3, 1, 40_000)), "truths": good.astype(bool),
        "objects": good.astype(object),
    }  # fmt: skip
    ranked = {
        "a list of ids": ["a"], "no items": Ranking(()), "twice": Ranking(("a", "a")),
        "numbers": Ranking((1, 2)), "a list": Ranking(["a"]), "NaN": Ranking(("a",),
        (np.nan,)),  # type: ignore[arg-type]
        "rising": Ranking(("a", "b"), (0.0, 1.0)), "texts": Ranking(("a",), ("x",)),
         # type: ignore[arg-type]
        "an array": Ranking(("a",), np.ones(1)), "nested": Ranking(("a",), ((1.0,
        2.0),)),  # type: ignore[arg-type]
        "surrogate": Ranking(("\ud800",)),
    }  # fmt: skip
    cases = [Case(f"given image: {what}", partial(_given, IMAGE, {"000": [value]}))
             for what, value in pictures.items()]  # fmt: skip
    cases += [Case(f"given ranking: {what}", partial(_given, RANKING, {"000": [value]}))
              for what, value in ranked.items()]  # fmt: skip
    cases += [Case("given adapter: an array", partial(_given, ADAPTER, {"000": [good]})),
              Case("given: nobody's", partial(_given, IMAGE, {"nobody": [good]})),
              Case("given: a number", partial(_given, IMAGE, {7: [good]})),
              Case("given: too many", partial(_given, IMAGE, {"000": [good] * 3}))]  # fmt: skip
    return cases
