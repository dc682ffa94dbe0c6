"""Data sets that lie."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import Dataset, DatasetCard, Split
from persongen_bench.core.types import Catalog

CALLS = itertools.count()


class Source:
    """A picture for each row, by its number."""

    def open(self, rows):
        return [self.draw(int(item[1:])) for item in rows.index]

    def draw(self, number):
        return np.random.default_rng(number).integers(0, 256, (3, 8, 8)).astype(np.uint8)


def by_time(log, seed, promise=frozenset({"items"})):
    late = log["timestamp"] >= 20
    return Split("by-time", seed, log[~late], log[late], promise=promise)


class Sound:
    """Ten people who rated thirty pictures."""

    tracks = ("prompt-free",)

    class Config(Config):
        """Nothing to set."""

    @classmethod
    def load(cls, config, root):
        return Dataset(
            name=cls.__name__.lower(), card=cls.card(),
            catalog=Catalog(cls.items(), cls.source()), interactions=cls.log(),
            splits={"by-time": cls.split},
        )  # fmt: skip

    @classmethod
    def card(cls):
        return DatasetCard("Ten people", "They rated pictures.", "CC0-1.0", "drawn by a program")

    @classmethod
    def source(cls):
        return Source()

    @classmethod
    def items(cls):
        ids = [f"i{number:02d}" for number in range(30)]
        return pd.DataFrame({"caption": "x"}, index=pd.Index(ids, name="item_id"))

    @classmethod
    def log(cls):
        rng = np.random.default_rng(5)
        rows = [
            (f"p{user}", f"i{item:02d}", float(rng.integers(1, 6)), float(item))
            for user in range(10)
            for item in range(30)
        ]
        log = pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])
        log["liked"] = log["rating"] >= 4
        return log[["user_id", "item_id", "rating", "liked", "timestamp"]]

    split = staticmethod(by_time)


class LeakyRows(Sound):
    """Held-out rows are trained on too."""

    @staticmethod
    def split(log, seed):
        sound = by_time(log, seed)
        return replace(sound, train=log)


class LeakyItems(Sound):
    """It promises that held-out pictures are new, and some are not."""

    @staticmethod
    def split(log, seed):
        late = (log["timestamp"] >= 20) | (log["user_id"] == "p0") & (log["timestamp"] > 2)
        return Split("by-time", seed, log[~late], log[late], promise=frozenset({"items"}))


class AnswersInNames(Sound):
    """The catalogue that methods see says who will like what."""

    @classmethod
    def items(cls):
        items, log = super().items(), cls.log()
        liked = log[log["liked"] & (log["timestamp"] >= 20)]
        by_user = liked.groupby("user_id")["item_id"].agg(" ".join)
        items["caption"] = [by_user.get(f"p{k % 10}", "") for k in range(len(items))]
        return items


class AnswersInLog(Sound):
    """A column of the training log says what comes next."""

    @classmethod
    def log(cls):
        log = super().log()
        liked = log[log["liked"] & (log["timestamp"] >= 20)]
        log["next"] = log["user_id"].map(liked.groupby("user_id")["item_id"].first())
        return log


class Unsteady(Sound):
    """Other ratings each time."""

    @classmethod
    def log(cls):
        log = super().log()
        rng = np.random.default_rng()
        return log.assign(rating=rng.integers(1, 6, len(log)).astype(float))


class UnsteadySplit(Sound):
    """Another split each time."""

    @staticmethod
    def split(log, seed):
        late = log["timestamp"] >= 20 - next(CALLS) % 3
        return Split("by-time", seed, log[~late], log[late], promise=frozenset({"items"}))


class UnsteadyPictures(Sound):
    """Other pictures each time they are opened."""

    class _Source(Source):
        def draw(self, number):
            return super().draw(number) ^ np.uint8(next(CALLS) % 256)

    @classmethod
    def source(cls):
        return cls._Source()


class EmptyCard(Sound):
    """Nobody says where it comes from."""

    @classmethod
    def card(cls):
        return DatasetCard("Ten people", "They rated pictures.", " ", "")


class WrongSupport(Sound):
    """It says that everybody keeps two rows, and they keep twenty."""

    @staticmethod
    def split(log, seed):
        return replace(by_time(log, seed), support=2)


class OwnTaste(Sound):
    """The ground truth is the author's method."""

    @classmethod
    def load(cls, config, root):
        class Mine:
            signature = "mine|1"

            def utility(self, images, users):
                marked = [float(image[0, 0, 0] == 7) for image in images]
                return np.tile(np.array(marked)[:, None], (1, len(users)))

        return replace(super().load(config, root), taste=Mine())
