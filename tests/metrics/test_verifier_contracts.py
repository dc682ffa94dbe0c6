"""The shared contract, for every metric that looks through a verifier."""

import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.metrics.risk.reidentification import Reidentification
from persongen_bench.metrics.taste.aesthetics_r2 import AestheticsCorrelation, AestheticsR2
from persongen_bench.metrics.taste.calibration import VerifierBrier, VerifierEce
from persongen_bench.metrics.taste.taste_auc import TasteAuc
from persongen_bench.metrics.taste.taste_gap import TasteGap
from persongen_bench.metrics.taste.verifier import Verifier
from persongen_bench.metrics.taste.verifier_auc import VerifierAuc, VerifierUserAuc
from persongen_bench.metrics.taste.verifier_split_auc import VerifierTestAuc, VerifierTrainAuc
from persongen_bench.testing.metrics import MetricContract


class TestVerifier(MetricContract):
    metric = Verifier


class TestVerifierNeumf(MetricContract):
    metric = Verifier
    argument = "neumf"


class TestVerifierAuc(MetricContract):
    metric = VerifierAuc


class TestVerifierUserAuc(MetricContract):
    metric = VerifierUserAuc
    argument = "mf"


class TestVerifierTrainAuc(MetricContract):
    metric = VerifierTrainAuc
    argument = "no-taste"


class TestVerifierTestAuc(MetricContract):
    metric = VerifierTestAuc


class TestVerifierAbstract(MetricContract):
    metric = Verifier
    argument = "mf-abstract"


class TestTasteGapByVerifier(MetricContract):
    metric = TasteGap
    argument = "verifier-mf-abstract"


class TestTasteAuc(MetricContract):
    metric = TasteAuc


class TestVerifierEce(MetricContract):
    metric = VerifierEce


class TestVerifierBrier(MetricContract):
    metric = VerifierBrier
    argument = "no-taste"


class TestAestheticsR2(MetricContract):
    metric = AestheticsR2


class TestAestheticsCorrelation(MetricContract):
    metric = AestheticsCorrelation


class TestReidentification(MetricContract):
    metric = Reidentification
    argument = "2"


class TestReidentificationByVerifier(MetricContract):
    metric = Reidentification
    argument = "2-mf"


@pytest.mark.parametrize("metric", [Verifier, TasteAuc, VerifierEce, VerifierTestAuc])
def test_an_unknown_verifier_is_refused(metric):
    with pytest.raises(ConfigError, match="unknown verifier 'resnet'"):
        metric.parse("resnet")


@pytest.mark.parametrize("argument", ["verifier-", "verifier-resnet", "mf", ""])
def test_a_taste_gap_needs_a_known_instrument(argument):
    with pytest.raises(ConfigError, match=r"unknown instrument .* verifier-neumf-paper"):
        TasteGap.parse(argument)


@pytest.mark.parametrize("argument", [None, "", "0", "mf", "5-", "5-resnet"])
def test_reidentification_needs_a_count_and_a_known_attacker(argument):
    with pytest.raises(ConfigError, match="reidentification"):
        Reidentification.parse(argument)
