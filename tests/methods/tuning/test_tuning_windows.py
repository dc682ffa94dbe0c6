"""Windows of a training view, divided by time first."""

from types import SimpleNamespace

from persongen_bench.methods.tuning.windows import cut_windows, others


def view(**likes):
    return SimpleNamespace(liked_items={user: tuple(items) for user, items in likes.items()})


def names(part):
    return [(o.user_id, "".join(o.window.history), o.window.target) for o in part]


def test_windows_of_five_and_the_sixth():
    made = cut_windows(view(a="abcdefgh"), 5, 0, 100)
    assert names(made.fit) == [("a", "abcde", "f"), ("a", "bcdef", "g"), ("a", "cdefg", "h")]
    assert made.validation == ()


def test_the_last_likes_are_for_validation():
    made = cut_windows(view(a="abcdefgh", b="ABCDEFG"), 5, 1, 100)
    assert names(made.fit) == [("a", "abcde", "f"), ("a", "bcdef", "g"), ("b", "ABCDE", "F")]
    assert names(made.validation) == [("a", "cdefg", "h"), ("b", "BCDEF", "G")]
    shown = {i for o in made.fit for i in (*o.window.history, o.window.target)}
    assert not shown & {o.window.target for o in made.validation}


def test_a_user_with_six_likes_has_one_window_for_the_fit():
    made = cut_windows(view(a="abcdef", b="ABCDE"), 5, 1, 100)
    assert names(made.fit) == [("a", "abcde", "f")]
    assert made.validation == ()


def test_validation_takes_from_users_in_turn_the_newest_first():
    made = cut_windows(view(a="abcdefghij", b="ABCDEFGHIJ"), 5, 3, 3)
    assert names(made.validation) == [("a", "efghi", "j"), ("b", "EFGHI", "J"), ("a", "defgh", "i")]


def test_others_are_strangers():
    made = cut_windows(view(a="abcdefgh", b="ABCDEFGH", c="123456"), 5, 0, 100).fit
    places = others(made, 3)
    assert all(made[p].user_id != o.user_id for p, o in zip(places, made, strict=True))
    assert places == others(made, 3)
    lonely = cut_windows(view(a="abcdefgh"), 5, 0, 100).fit
    assert others(lonely, 0) == [0, 1, 2]
