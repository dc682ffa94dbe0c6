"""A toy world in which every item says the word of its hue, and images what a test lets them."""

from dataclasses import dataclass, field

import numpy as np

from persongen_bench.core.types import Description
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

WORDS = ("apple", "boat", "cat", "door", "egg", "fish")


@dataclass(frozen=True)
class Spoken(ToyScores):
    """Items say the word of their hue; generated images say what the test puts into them."""

    sayings: list = field(default_factory=list)
    themes: tuple = WORDS
    held_out_themes: tuple = ()
    """What held-out items say, where that is not the same."""

    def descriptions(self, role="captioner"):
        return self.sayings

    def item_descriptions(self, item_ids, role="captioner"):
        return [say(self.word(item)) for item in item_ids]

    def word(self, item):
        theme = self.world.dataset.catalog.items["theme"][item]
        words = self.held_out_themes if item in self.test.catalog.ids else self.themes
        return (words or self.themes)[int(theme.removeprefix("hue-"))]

    def text_features(self, role, texts):
        assert role == "judge_encoder"
        assert all(texts), "an empty text was embedded"
        return np.array([[float(w in t) for w in WORDS] for t in texts], dtype=np.float32)


def say(*words):
    return Description("", tuple(words))


def spoken_context(per_user, themes=WORDS):
    base = toy_score_context(n_images=4)
    # user-k likes the items of hue k, which say WORDS[k].
    return Spoken(base.world, base.samples, base.pictures, sayings=per_user, themes=themes)
