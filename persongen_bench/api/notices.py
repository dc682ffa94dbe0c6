"""What a user should know before the runs of a campaign."""

from __future__ import annotations

from persongen_bench.api import campaign as campaigns
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.presets import without_preset
from persongen_bench.core.metric_cards import ALL as EVERY
from persongen_bench.core.metric_cards import broken_metrics


def notices_of(campaign: Campaign) -> tuple[str, ...]:
    """What a user should know before the runs.

    That the stack is another one, which methods do not have the preset, and which of all metrics
    do not open.
    """
    names = [choice.name for choice, _ in campaigns.choices(campaign) if choice.chosen is None]
    told = (campaign.chosen_stack.notice, without_preset(names, campaign.preset))
    broken = broken_metrics() if EVERY in campaign.metrics else {}
    left_out = [f"metric {name} is left out: {why}" for name, why in sorted(broken.items())]
    return (*(one for one in told if one is not None), *left_out)
