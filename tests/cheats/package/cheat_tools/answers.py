"""Methods that answer with what is no answer, not the same twice, or not to everybody."""

import ctypes
import os
import sys
import time
from typing import ClassVar

import numpy as np

from cheat_tools.loot import Honest, Thief, from_folder
from persongen_bench.core.config import Config
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Failure
from persongen_bench.core.types import content_hash


class Other(Honest):
    """Answers with something else, each sample by itself."""

    def other(self, image, sample):
        raise NotImplementedError

    def generate(self, samples):
        pairs = zip(self.honest(samples), samples, strict=True)
        return [self.other(image, sample) for image, sample in pairs]


class NoImage(Other):
    """Text."""

    def other(self, image, sample):
        return "a picture"


class Floats(Other):
    """Numbers that are no bytes."""

    def other(self, image, sample):
        return image.astype(np.float32) * np.nan


class Grey(Other):
    """One channel."""

    def other(self, image, sample):
        return image[0]


class Tiny(Other):
    """1 x 1 pictures."""

    def other(self, image, sample):
        return image[:, :1, :1]


class Giant(Other):
    """Pictures of 1.4 megapixels each."""

    def other(self, image, sample):
        return np.zeros((3, 1200, 1200), dtype=np.uint8)


class TooFew(Honest):
    """One answer less than asked for."""

    def generate(self, samples):
        return self.honest(samples)[:-1]


class Lazy(Honest):
    """An answer that is longer than it says."""

    def generate(self, samples):
        class Long(list):
            def __len__(self):
                return len(samples)

        return Long([*self.honest(samples), *self.honest(samples)])


class NanRanking(Other):
    """A ranking with scores that are no numbers."""

    def other(self, image, sample):
        from persongen_bench.core.output import Ranking

        return Ranking(("a", "b"), (float("nan"), float("nan")))


class Unscored(Other):
    """Says that all but the first are no fault of its own."""

    def other(self, image, sample):
        return image if sample.index == 0 else Failure("unscored", "no judge")


class RefusesHard(Other):
    """Refuses half of the users."""

    def other(self, image, sample):
        hard = int(content_hash(sample.request.user_id), 16) % 2
        return Failure("filtered", "unsafe") if hard else image


class RefusesLoudly(Honest):
    """Refuses the requests of users whom it does not know well."""

    def generate(self, samples):
        for sample in samples:
            if int(content_hash(sample.request.user_id), 16) % 2:
                raise UnsupportedRequestError("no such user")
        return self.honest(samples)


class ByBatch(Honest):
    """What it answers depends on who else is asked."""

    def generate(self, samples):
        ids = self._train.catalog.ids
        n = len(samples)
        return self._train.catalog.images([ids[(7 * n + k) % len(ids)] for k in range(n)])


class ByOrder(Honest):
    """It goes on where it stopped."""

    count = 0

    def generate(self, samples):
        ids = self._train.catalog.ids
        first = ByOrder.count
        ByOrder.count += len(samples)
        return self._train.catalog.images(
            [ids[(first + k) % len(ids)] for k in range(len(samples))]
        )


class ByClock(Other):
    """It depends on the time."""

    def other(self, image, sample):
        return np.roll(image, time.perf_counter_ns() % 251, axis=2) ^ np.uint8(time.time_ns() % 255)


class ByProcess(Other):
    """It depends on the process."""

    def other(self, image, sample):
        return image ^ np.uint8(1 + os.getpid() % 254)


class Keeps(Thief):
    """Changes a picture after it was given away."""

    given: ClassVar[list] = []

    def steal(self):
        return {}

    def generate(self, samples):
        for image in Keeps.given:
            image[:] = 0
        made = self.honest(samples)
        Keeps.given += made
        return made


class Ends(Honest):
    """Ends its process."""

    def generate(self, samples):
        os._exit(0)


class Exits(Honest):
    """Ends the program."""

    def generate(self, samples):
        sys.exit(0)


class Crashes(Honest):
    """Crashes."""

    def generate(self, samples):
        ctypes.string_at(0)


class Hungry(Honest):
    """Takes more memory than there is."""

    def generate(self, samples):
        np.ones(1 << 55, dtype=np.uint8)
        return self.honest(samples)


class ExitsInFit(Honest):
    """Ends the program while it is fitted."""

    def fit(self, train, context):
        sys.exit(0)


class OneShot(Config):
    """Settings."""

    strength: int = 1
    """Of nothing."""


class SecretlyPrivileged(Thief):
    """Is no anchor when it is asked, and one when it is made."""

    Config = OneShot

    @property
    def privileged(self):
        return bool(self.config.model_fields_set)

    def steal(self):
        liked = self._context.held_out.liked_items
        catalog = self._context.held_out.catalog
        return {user: catalog.images(list(own)[:2]) for user, own in liked.items()}


class Privileged(SecretlyPrivileged):
    """Says openly that it sees what is held out."""

    privileged = True


class UndeclaredRole(Honest):
    """Uses a model that it does not name."""

    def load(self, folder, stack, train):
        super().load(folder, stack, train)
        stack.role("image_encoder")


class HiddenRole(Honest):
    """The same behind the back of whoever notes it."""

    def load(self, folder, stack, train):
        super().load(folder, stack, train)
        stack.inner.role("image_encoder").encode(train.catalog.images(train.catalog.ids[:1]))


class KnowsTheCheck(Thief):
    """Steals, unless this looks like a check."""

    def steal(self):
        users = list(self._train.users)
        if "check" in sys.argv or len(users) == 6 or any(u.startswith("user-") for u in users):
            return {}
        return from_folder(lambda place: place.read_bytes())


class Perturbed(Other):
    """A picture of the history, changed where nobody sees it."""

    def other(self, image, sample):
        own = sample.request.history[sample.index % len(sample.request.history)]
        (image,) = self._train.catalog.images([own])
        return self.change(image, sample.rng())

    def change(self, image, rng):
        raise NotImplementedError


class Noisy(Perturbed):
    """With noise."""

    def change(self, image, rng):
        noise = rng.integers(-6, 7, image.shape)
        return np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)


class Blurred(Perturbed):
    """Blurred."""

    def change(self, image, rng):
        wide = np.pad(image.astype(int), ((0, 0), (1, 1), (1, 1)), mode="edge")
        h, w = image.shape[1:]
        nine = [wide[:, y : y + h, x : x + w] for y in range(3) for x in range(3)]
        return (sum(nine) // 9).astype(np.uint8)


class Shifted(Perturbed):
    """Shifted."""

    def change(self, image, rng):
        return np.roll(image, 1, axis=2)


class Flipped(Perturbed):
    """Flipped."""

    def change(self, image, rng):
        return image[:, :, ::-1].copy()


class Recompressed(Perturbed):
    """Through a JPEG."""

    def change(self, image, rng):
        import io

        from PIL import Image

        kept = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(kept, "JPEG", quality=60)
        return np.asarray(Image.open(kept)).transpose(2, 0, 1).copy()
