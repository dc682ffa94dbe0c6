"""Statistics with the user as the unit: pure functions, explicit generators.

Images of one user resemble each other, so n images of U users carry far less information than n
independent ones. Everything here therefore starts from one value per user (or from whole blocks
of images per user), never from images pooled over users; the one exception is the published
image-level test, kept under its own name for comparison.
"""

from persongen_bench.stats.additive import AdditiveFit, fit_additive
from persongen_bench.stats.blocks import block_means, taste_gap, user_means
from persongen_bench.stats.correlation import (
    correlation_over_methods,
    correlation_over_users,
    spearman,
)
from persongen_bench.stats.intervals import Interval, interval, interval_of_images, row_intervals
from persongen_bench.stats.null import NullDistribution
from persongen_bench.stats.pairs import (
    PairedDifference,
    paired_difference,
    paired_t,
    paired_test,
)
from persongen_bench.stats.permutation import (
    ImageStatistic,
    Statistic,
    TestResult,
    draw_permutations,
    image_permutation_test,
    user_permutation_test,
)
from persongen_bench.stats.power import minimum_detectable_effect
from persongen_bench.stats.ranks import (
    AllPairs,
    RankRow,
    all_pairs,
    holm,
    letter_groups,
    rank,
    ranked,
)
from persongen_bench.stats.residuals import Residuals, owners_of, residual_table, residuals_of
from persongen_bench.stats.roc import Roc, roc
from persongen_bench.stats.seeds import over_seeds
from persongen_bench.stats.shares import UNBOUNDED, Bounds

__all__ = [
    "UNBOUNDED",
    "AdditiveFit",
    "AllPairs",
    "Bounds",
    "ImageStatistic",
    "Interval",
    "NullDistribution",
    "PairedDifference",
    "RankRow",
    "Residuals",
    "Roc",
    "Statistic",
    "TestResult",
    "all_pairs",
    "block_means",
    "correlation_over_methods",
    "correlation_over_users",
    "draw_permutations",
    "fit_additive",
    "holm",
    "image_permutation_test",
    "interval",
    "interval_of_images",
    "letter_groups",
    "minimum_detectable_effect",
    "over_seeds",
    "owners_of",
    "paired_difference",
    "paired_t",
    "paired_test",
    "rank",
    "ranked",
    "residual_table",
    "residuals_of",
    "roc",
    "row_intervals",
    "spearman",
    "taste_gap",
    "user_means",
    "user_permutation_test",
]
