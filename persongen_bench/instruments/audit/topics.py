"""The topics of a data set as a table."""

from __future__ import annotations

from persongen_bench.core.metric import ScoreContext
from persongen_bench.metrics.taste._topics import Aspect
from persongen_bench.metrics.taste.topic_keywords import topic_keywords

NOTHING = "(nothing said)"
"""In place of keywords: images whose description has no word of the aspect."""


def topics_text(context: ScoreContext, aspect: Aspect, n_keywords: int) -> str:
    """Plain text: how many topics there are, and a line for each, the largest first."""
    rows = topic_keywords(context, aspect, n_keywords)
    n, images = sum(bool(topic.keywords) for topic in rows), sum(topic.n_images for topic in rows)
    if not rows:
        return f"The captions form no {aspect} topics."
    head = f"{n} {aspect} topics of {images:,} images; keywords by class-based tf-idf"
    lines = [head, "", "| topic | images | likes | share of likes | keywords |"]
    lines.append("|---|---|---|---|---|")
    for topic in rows:
        words = ", ".join(topic.keywords) or NOTHING
        share = f"{topic.share_of_likes:.3f}"
        lines.append(f"| {topic.number} | {topic.n_images} | {topic.n_likes} | {share} | {words} |")
    return "\n".join(lines)
