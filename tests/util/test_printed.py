"""What reaches a screen: other encodings, escape sequences, columns."""

import io
import json
import sys

import pytest

from persongen_bench.core.plain import json_text
from persongen_bench.util import printed
from persongen_bench.util.printed import PlainStream, card, columns, plain_streams, show

TEXT = "precision ± 0.1 \u2013 “good” 北京 ─ ° …\n"


def on(encoding, monkeypatch, *, tty=False):
    """A stream of this encoding in place of standard output => what was written, as bytes."""
    raw = io.BytesIO()
    if tty:
        monkeypatch.setattr(raw, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    return raw


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "cp932", "latin-1", "utf-8"])
def test_every_encoding_shows_something(encoding, monkeypatch):
    raw = on(encoding, monkeypatch)
    with plain_streams():
        sys.stdout.write(TEXT)
    written = raw.getvalue().decode(encoding)
    assert written.startswith("precision ")
    assert written.endswith("\n")
    if encoding == "ascii":
        assert written == 'precision +- 0.1 - "good" ?? - * ...\n'
    if encoding == "utf-8":
        assert written == TEXT


def test_nothing_steers_the_terminal(monkeypatch):
    raw = on("utf-8", monkeypatch)
    with plain_streams():
        sys.stdout.write("a\x1b]0;t\x07b\x1b[31mc\x1b[0m\x9bd\u202ee\x00\x08\n\tf\n")
    assert raw.getvalue().decode() == "abcde\n\tf\n"


def test_a_terminal_gets_our_colours_and_bars_alone(monkeypatch):
    class Terminal(io.BytesIO):
        def isatty(self):
            return True

    raw = Terminal()
    stream = PlainStream(raw, "utf-8", printed.NEAREST)
    stream.write("\x1b[1;31mred\x1b[0m \x1b[2K\x1b[1A\x1b[?25l\r\x1b]0;t\x07\x1b[5n\x1bP1\x1b\\x\n")
    stream.flush()
    assert raw.getvalue().decode() == "\x1b[1;31mred\x1b[0m \x1b[2K\x1b[1A\x1b[?25l\rx\n"


def test_streams_come_back(monkeypatch):
    raw = on("utf-8", monkeypatch)
    before = sys.stdout
    with plain_streams(), plain_streams():
        sys.stdout.write("x\n")
    assert sys.stdout is before
    before.write("y\n")
    before.flush()
    assert raw.getvalue() == b"x\ny\n"


def test_json_comes_through_ascii_whole(monkeypatch):
    raw = on("ascii", monkeypatch)
    value = {"name": "Zoë\u202e 北京 \U0001f44d"}
    with plain_streams():
        show(json_text(value), "json")
    assert json.loads(raw.getvalue().decode("ascii")) == value


def test_columns_hold_whole_names_off_a_terminal(monkeypatch):
    on("utf-8", monkeypatch)
    monkeypatch.setenv("COLUMNS", "20")
    name = "a-name-of-a-metric@with-an-argument" * 3
    text = columns(("metric", "better"), [(name, "higher\x1b[31m")])
    assert f"{name}  higher\n" in text
    assert "\x1b" not in text


def test_cards_break_between_words_alone(monkeypatch):
    on("utf-8", monkeypatch)
    word = "w" * 300
    text = card([("what it is", f"{'some words ' * 30}{word}")])
    assert word in text
    assert all(len(line) <= printed.CARD for line in text.splitlines() if word not in line)


def test_brackets_are_text(capsys):
    printed.console().print("[red]not a colour[/red] :smile: [/]")
    assert capsys.readouterr().out == "[red]not a colour[/red] :smile: [/]\n"


def test_lines_and_documents_have_no_colours_of_others_on_a_terminal(monkeypatch):
    class Terminal(io.BytesIO):
        def isatty(self):
            return True

    raw = Terminal()
    monkeypatch.setattr(sys, "stdout", PlainStream(raw, "utf-8", printed.NEAREST))
    printed.say("a\x1b[31mb")
    show("c\x1b[31md\n")
    sys.stdout.flush()
    assert raw.getvalue() == b"ab\ncd\n"
