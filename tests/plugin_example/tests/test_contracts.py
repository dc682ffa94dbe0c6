"""The contracts of persongen-bench for everything here but `Blend`, which has its own module."""

from typing import ClassVar

from persongen_bench.instruments.checking import BoardContract
from persongen_bench.testing import (
    DatasetContract,
    MethodContract,
    MetricContract,
    TrackContract,
)


class TestFollower(MethodContract):
    method = "plugin-example/follower"


class TestReferenceOnly(MethodContract):
    method = "plugin-example/follower"
    config: ClassVar = {"n_liked": 0}


class TestPopular(MethodContract):
    method = "plugin-example/popular"


class TestTilt(MethodContract):
    method = "plugin-example/tilt"


class TestPairs(DatasetContract):
    dataset = "plugin-example/pairs"


class TestFollow(TrackContract):
    track = "plugin-example/follow"


class TestFollowPairs(TrackContract):
    """On the data that it was made for; without ``dataset`` on six users who like one hue each."""

    track = "plugin-example/follow"
    dataset = "plugin-example/pairs"


class TestRecommend(TrackContract):
    track = "plugin-example/recommend"
    dataset = "plugin-example/pairs"
    split = "leave-two"


class TestEdit(TrackContract):
    track = "plugin-example/edit"


class TestMatchReference(MetricContract):
    metric = "plugin-example/hue-match"
    argument = "reference"


class TestMatchHistory(MetricContract):
    metric = "plugin-example/hue-match"
    argument = "history"


class TestHits(MetricContract):
    metric = "plugin-example/hits"


class TestFollowBoard(BoardContract):
    board = "plugin-example/follow"


class TestRecommendBoard(BoardContract):
    board = "plugin-example/recommend"


class TestEditBoard(BoardContract):
    board = "plugin-example/edit"
