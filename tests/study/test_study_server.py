"""The server as a process: what it acknowledges it has, and nobody else gets or says anything."""

import json
import random
import shutil
import signal
import socket
import sqlite3
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException

import pytest
from study_case import (
    METHODS,
    USERS,
    answer_to,
    codes_of,
    fetch,
    get,
    make_study,
    post,
    served,
    write_pictures,
)

from persongen_bench.api import study as api
from persongen_bench.study.answers import read_answers
from persongen_bench.study.folder import StudyFolder
from persongen_bench.study.limits import Buckets

CODE_OF = "quokka-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    return make_study(write_pictures(place / "pictures"), place / "study", pairs_per_person=20)


@pytest.fixture(scope="module")
def live(made, tmp_path_factory):
    """What `running` serves."""
    return StudyFolder(shutil.copytree(made.path, tmp_path_factory.mktemp("live") / "study"))


@pytest.fixture(scope="module")
def running(live):
    with served(live) as (_, address):
        yield address


@pytest.fixture
def copy(made, tmp_path):
    """Of a study that nobody has answered."""
    return StudyFolder(shutil.copytree(made.path, tmp_path / "study"))


def kept(study, trial):
    return [answer for answer in read_answers(study) if answer.trial == trial]


def test_an_answer_is_kept_and_a_replay_is_acknowledged_alike(live, running):
    said = answer_to(live, codes_of(live)[CODE_OF], 0)
    replies = [post(running, said) for _ in range(3)]
    assert [(status, body) for status, _, body in replies] == [(200, replies[0][2])] * 3
    assert json.loads(replies[0][2]) == {"kept": said["trial"]}
    (answer,) = kept(live, said["trial"])
    assert answer.rating == "like"
    assert answer.kept_at > "2026"


def test_of_two_tabs_the_first_counts(live, running):
    code = codes_of(live)[CODE_OF]
    said = answer_to(live, code, 1)
    assert post(running, said)[0] == 200
    assert post(running, {**said, "rating": "dislike"})[0] == 409
    assert post(running, {**said, "milliseconds": 1})[0] == 409
    assert [answer.rating for answer in kept(live, said["trial"])] == ["like"]


def test_two_tabs_at_one_instant_leave_one_answer(live, running):
    code = codes_of(live)["quokka-2"]
    for number in range(5):
        said = answer_to(live, code, number)
        both = [{**said, "milliseconds": k} for k in (1.0, 2.0)]
        with ThreadPoolExecutor(2) as tabs:
            found = [status for status, _, _ in tabs.map(partial(post, running), both)]
        assert sorted(found) == [200, 409]
        assert len(kept(live, said["trial"])) == 1


@pytest.mark.parametrize(
    ("number", "clock"),
    [(10, "1970-01-01T00:00:00Z"), (11, "2100-02-30"), (12, "\u0000<b>?"), (13, "")],
)
def test_a_clock_is_believed_in_nothing(live, running, number, clock):
    said = answer_to(live, codes_of(live)["quokka-2"], number, said_at=clock)
    assert post(running, said)[0] == 200
    (answer,) = kept(live, said["trial"])
    assert answer.said_at == clock
    assert answer.kept_at.startswith("20")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"code": "abcdefghjkmnpqrs"}, 410),
        ({"code": ""}, 410),
        ({"code": "' OR 1=1 --"}, 410),
        ({"trial": "t0123456789abcdef"}, 422),
        ({"rating": "love"}, 422),
        ({"order": [0]}, 422),
        ({"rating": None}, 422),
        ({"extra": 1}, 422),
        ({"kept_at": "2020-01-01"}, 422),
        ({"said_at": "x" * 65}, 422),
        ({"comment": "x" * 4001}, 422),
        ({"milliseconds": "NaN"}, 422),
        ({"milliseconds": -1}, 422),
        ({"study": "0"}, 422),
        ({"comment": "x" * 40_000}, 413),
    ],
)
def test_what_is_no_answer_is_refused(live, running, changes, status):
    said = answer_to(live, codes_of(live)["quokka-3"], 3, **changes)
    reply = post(running, said)
    assert reply[0] == status
    assert set(json.loads(reply[2])) == {"refused"}
    assert kept(live, said["trial"]) == []


def test_one_participant_does_not_answer_for_another(live, running):
    said = answer_to(live, codes_of(live)["quokka-3"], 4, code=codes_of(live)["quokka-2"])
    assert post(running, said)[0] == 422
    assert kept(live, said["trial"]) == []


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 9000, b'{"study": 1}'])
def test_rubbish_is_refused(running, document):
    assert post(running, document)[0] == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_another_page_may_not_answer(live, running, headers, status):
    said = answer_to(live, codes_of(live)["quokka-3"], 5)
    reply = post(running, said, **headers)
    assert reply[0] == status
    assert kept(live, said["trial"]) == []
    options = urllib.request.Request(running + "answers", method="OPTIONS")
    told = [reply, fetch(options)]
    assert not any(name.lower().startswith("access-control") for r in told for name in r[1])


def test_script_in_free_text_is_text(live, running):
    wild = "<script>alert(1)</script>'); DROP TABLE answers;--\n=cmd()"
    said = answer_to(live, codes_of(live)["quokka-3"], 6, trial="remarks", comment=wild)
    del said["rating"]
    assert post(running, said)[0] == 200
    assert [answer.comment for answer in kept(live, "remarks")] == [wild]


@pytest.mark.parametrize(
    "path",
    [
        "private/key.json", "private/codes.txt", "private/answers.sqlite", "private/",
        "media/../private/key.json", "..%2fprivate%2fkey.json", "%2e%2e/private/key.json",
        "assets/../../study/private/codes.txt", "//private/key.json", "media/", "assets",
        "media%00.png", "private%2Fkey.json", "PRIVATE/key.json", "study.json/", "answers",
    ],
)  # fmt: skip
def test_nothing_but_the_public_files_is_served(running, path):
    status, _, body = get(running, path)
    assert status in (404, 405)
    assert not any(word.encode() in body for word in (*METHODS, *USERS))


def test_raw_paths_lead_nowhere(running):
    host, port = running.removeprefix("http://").rstrip("/").split(":")
    for path in ("/../private/key.json", "/media/../../study/private/key.json", "/\\..\\private"):
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert client.recv(4096).split()[1] in (b"404", b"400")


def test_the_page_and_its_files_are_served_with_walls_around(live, running):
    code = next(iter(live.study.sessions)).code
    for path in ("", "index.html", "study.js", f"sessions/{code}.js", "assets/app/page.css"):
        status, headers, _ = get(running, path)
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        for name in ("Server", "Set-Cookie", "Access-Control-Allow-Origin"):
            assert name not in headers


def test_a_link_in_the_public_part_leads_nowhere(copy):
    (copy.path / "media" / "link.json").symlink_to(copy.private / "key.json")
    with served(copy) as (_, address):
        assert get(address, "media/link.json")[0] == 404


def test_a_flood_is_told_to_wait_and_others_are_not(copy):
    codes = codes_of(copy)
    with served(copy) as (_, address):
        said = answer_to(copy, codes[CODE_OF], 0)
        replies = [post(address, said) for _ in range(90)]
        assert {status for status, _, _ in replies} == {200, 429}
        waited = next(headers for status, headers, _ in replies if status == 429)
        assert 1 <= int(waited["Retry-After"]) <= 2
        assert post(address, answer_to(copy, codes["quokka-2"], 0))[0] == 200
    assert len(read_answers(copy)) == 2


def test_buckets_fill_again_and_forget_the_least_recent():
    now = [0.0]
    buckets = Buckets(burst=2, rate=0.5, most=2, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 2]
    now[0] = 2
    assert [buckets.take("a") for _ in range(2)] == [0, 2]
    assert buckets.take("b") == buckets.take("c") == 0
    assert buckets.take("a") == 0  # forgotten, so it begins anew


def test_who_withdraws_is_refused_while_the_server_runs(copy):
    code = codes_of(copy)[CODE_OF]
    with served(copy) as (_, address):
        assert post(address, answer_to(copy, code, 0))[0] == 200
        assert api.withdraw(copy.path, code) == 1
        assert post(address, answer_to(copy, code, 0))[0] == 410
        assert post(address, answer_to(copy, code, 1))[0] == 410
    assert read_answers(copy) == []
    assert code.encode() not in b"".join(f.read_bytes() for f in copy.private.iterdir())


def test_while_somebody_reads_nothing_is_kept_files_are_served_and_then_it_goes_on(copy):
    said = answer_to(copy, codes_of(copy)[CODE_OF], 0)
    with served(copy) as (_, address), ThreadPoolExecutor(1) as other:
        reader = sqlite3.connect(copy.answers_file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM answers").fetchone()  # a COMMIT cannot be had now
        waits = other.submit(post, address, said)
        time.sleep(0.3)
        begin = time.monotonic()
        assert get(address)[0] == 200
        assert time.monotonic() - begin < 1
        assert not waits.done()
        assert waits.result()[0] == 503
        reader.close()
        assert post(address, said)[0] == 200
    assert len(read_answers(copy)) == 1


def test_a_page_at_the_address_that_was_said_may_answer(copy):
    code = codes_of(copy)[CODE_OF]
    with served(copy, "--address", "https://study.example/") as (_, address):
        origins = ["https://study.example", "http://study.example", "https://other.example"]
        found = [
            post(address, answer_to(copy, code, k), Origin=origin)[0]
            for k, origin in enumerate(origins)
        ]
        assert found == [200, 403, 403]
        assert post(address, answer_to(copy, code, 3), Origin=address.rstrip("/"))[0] == 200
    with pytest.raises(api.ConfigError, match="no address"):
        api.Serving(address="study.example")


def test_what_lies_beside_the_page_is_not_served(copy):
    for name in ("notes.json", "backup/key.json", "media.json"):
        (copy.path / name).parent.mkdir(exist_ok=True)
        (copy.path / name).write_text("{}")
    with served(copy) as (_, address):
        assert [get(address, f)[0] for f in ("notes.json", "backup/key.json", "media.json")] == (
            [404] * 3
        )


def test_codes_are_handed_out_where_that_is_said_and_never_in_the_first_person(copy, tmp_path):
    pictures = write_pictures(tmp_path / "pictures")
    third = make_study(pictures, tmp_path / "third", person="third", participants=2, elicit=0)
    with served(copy) as (_, address):
        assert post(address, {"study": copy.study.id, "person": "0" * 64}, "claims")[0] == 405
    with served(third, "--hand-out") as (server, address):
        key = third.hand_out_file.read_text()
        link = f"{address}?key={key}&PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}"
        assert server.stdout.readline().strip().endswith(link)
        about = {"study": third.study.id, "key": key}
        asked = [{**about, "person": f"{k}" * 64} for k in (1, 2, 1, 3)]
        assert post(address, {**asked[0], "key": "guess"}, "claims")[0] == 403
        replies = [post(address, one, "claims") for one in asked]
        assert [status for status, _, _ in replies] == [200, 200, 200, 404]
        codes = [json.loads(body).get("code") for _, _, body in replies]
        assert codes[0] == codes[2] != codes[1]
        assert set(codes[:2]) == set(third.codes())
        assert post(address, {**asked[0], "person": "PID"}, "claims")[0] == 422
        assert post(address, asked[0], "claims", Origin="http://other")[0] == 403
    with pytest.raises(api.ConfigError, match="stand for people"):
        api.serve_study(copy.path, "127.0.0.1", 0, print, api.Serving(hands_out=True))


@pytest.mark.slow
def test_ten_kills_lose_no_acknowledged_answer(copy):
    """SIGKILL at random instants, while a participant answers; then the next server goes on."""
    code, rng = codes_of(copy)[CODE_OF], random.Random(0)
    acknowledged, number = set(), 0
    n_trials = len(copy.trials[copy.study.sessions[0].code])
    for _ in range(10):
        with served(copy) as (server, address):
            timer = threading.Timer(rng.uniform(0, 0.1), server.kill)
            while True:
                said = answer_to(copy, code, number % n_trials)
                try:
                    status = post(address, said)[0]
                except (OSError, HTTPException):  # killed before or while it says so
                    break
                if status == 200:
                    acknowledged.add(said["trial"])
                if timer.ident is None:
                    timer.start()
                number += 1
            timer.join()
        there = {answer.trial for answer in read_answers(copy)}
        assert acknowledged <= there
        assert len(there - acknowledged) <= 10  # kept, and killed before it could say so
    assert len(acknowledged) >= 5
    check = sqlite3.connect(copy.answers_file).execute("PRAGMA integrity_check").fetchone()
    assert check == ("ok",)


def test_ctrl_c_stops_cleanly(copy, capfd):
    with served(copy) as (server, address):
        assert post(address, answer_to(copy, codes_of(copy)[CODE_OF], 0))[0] == 200
        server.send_signal(signal.SIGINT)
        assert server.stdout.read() == "Stopped; every acknowledged answer is kept.\n"
        assert server.wait(10) == 0
    assert "error" not in capfd.readouterr().err


def test_who_sends_half_a_line_or_half_an_answer_does_not_keep_others_waiting(live, running):
    host, port = running.removeprefix("http://").rstrip("/").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(40)]
    try:
        head = b"POST /answers HTTP/1.1\r\nHost: x\r\n"
        rest = b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        for k, client in enumerate(idle):
            client.sendall(head if k % 2 else head + rest)
        begin = time.monotonic()
        assert get(running)[0] == 200
        assert post(running, answer_to(live, codes_of(live)["quokka-3"], 20))[0] == 200
        assert time.monotonic() - begin < 3
    finally:
        for client in idle:
            client.close()


def test_a_connection_that_asks_for_nothing_is_closed(copy, monkeypatch):
    """With patience of a tenth of a second."""
    import asyncio

    from persongen_bench.study import serving

    monkeypatch.setattr(serving, "PATIENCE", 0.1)
    place = serving.listen("127.0.0.1", 0)
    said = []

    def client():
        with socket.create_connection(place.getsockname(), timeout=10) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHo")
            try:
                said.append(idle.recv(10))
            except ConnectionError:
                said.append(b"")
        server.should_exit = True

    from persongen_bench.study.answers import Answers

    with Answers(copy.answers_file) as answers, ThreadPoolExecutor(1) as worker:
        app = serving.application(copy, answers, worker, serving.Serving())
        config = serving.uvicorn.Config(
            app, http=serving.ImpatientProtocol, lifespan="off", log_level="critical"
        )
        server = serving.QuietServer(config)
        thread = threading.Thread(target=client)
        asyncio.run(serving._served(server, place, thread.start))
        thread.join()
    assert said == [b""]


@pytest.mark.parametrize(("host", "port"), [("203.0.113.7", 0), ("nowhere.invalid", 0)])
def test_an_address_that_cannot_be_had_is_one_line(copy, host, port):
    with pytest.raises(api.ConfigError, match="cannot listen"):
        api.serve_study(copy.path, host, port, print)
