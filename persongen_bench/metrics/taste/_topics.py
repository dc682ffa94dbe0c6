"""Topics of what a captioner says: a model fitted on the data's captions, and its assignment.

The scheme is Top2Vec's (Angelov, arXiv 2008.09470), whose contextual successor paper 000 uses:
captions are embedded, projected, clustered by density; a topic is the mean embedding of a cluster,
and every caption, also an outlier or a new one, belongs to the nearest topic by cosine.

Three things differ. The text tower of the role ``judge_encoder`` embeds, in place of a sentence
encoder. PCA projects, to more dimensions, in place of UMAP, which is random and which every
process compiles anew for longer than the fit takes. And a caption is one vector: the successor
reads several topics from the parts of a caption, here they are the topics it is nearly as close to
as to its nearest (`Membership`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Description, Embeddings, content_hash
from persongen_bench.metrics._space import unit_rows

Aspect = Literal["content", "style"]
CAPTIONER, TEXTS = "captioner", "judge_encoder"
VERSION = 1
_STYLE = """
red orange yellow green blue purple violet pink brown black white grey gray beige cyan magenta
turquoise teal gold golden silver cream crimson scarlet navy indigo maroon colour color colours
colors coloured colored colourful colorful monochrome monochromatic palette hue hues tone tones
toned tint sepia pastel neon saturated desaturated muted vivid vibrant bold faded
bright dark dim light lighting lit glowing shadow shadows shaded shading backlit silhouette
contrast exposure sunlit moody dramatic soft hard harsh warm cool cold gentle
flat outline outlined pixel pixelated sketch sketched cartoon anime comic minimal minimalist
minimalistic abstract realistic photorealistic surreal impressionist expressionist baroque
gothic retro vintage modern classic contemporary futuristic cyberpunk steampunk art artistic
artwork painting painted painterly watercolour watercolor oil acrylic ink charcoal pencil
drawing drawn illustration render rendered rendering 3d digital vector collage photo photograph
photographic photography film analog polaroid documentary candid portrait macro bokeh blur
blurred blurry sharp grainy grain texture textured glossy matte smooth rough hdr cinematic
closeup wide angle aerial symmetrical symmetric symmetry centred centered composition framing
style styled stylized stylised aesthetic aesthetics mood atmosphere atmospheric serene calm
tranquil peaceful energetic lively dynamic playful whimsical romantic nostalgic melancholic
melancholy mysterious dreamy ethereal gritty elegant rustic cosy cozy festive
"""
STYLE_WORDS = frozenset(_STYLE.split())
"""Words of how a picture is made, not of what it shows: colour, light, medium, mood, composition.
A list of this benchmark, after the paper's prompt ("artistic elements, mood, colors, or visual
style"); every other word is content."""
_DECIMALS = 6
"""Embeddings and cosines that agree to this many decimals are the same."""


@dataclass(frozen=True)
class TopicConfig:
    """How topics are found; the defaults are Top2Vec's, but for the projection."""

    n_components: int = 50
    """Dimensions that are clustered; with UMAP's five, PCA merges all but a few topics.

    On 4,000 planted vectors of 60 and 200 topics (two levels of noise each) 50 gives adjusted Rand
    indices of .997, .994, .840 and .762 to the planted topics, UMAP .993, .990, .893 and .863, and
    5 at most .105."""
    min_cluster_size: int = 15
    """Captions of the smallest topic; at most one in fifty of all captions, and at least 2."""


@dataclass(frozen=True)
class Membership:
    """How many topics a caption belongs to: its nearest, and others nearly as near."""

    margin: float = 0.0
    """How far another topic may lie behind the nearest, in [0, 1): 0 is as near, 1 is the median
    topic, by cosine. So it means the same in spaces where all cosines are high, as CLIP's."""
    most: int = 1
    """Topics of one caption, the nearest first; at least 1."""


ONE = Membership()
"""The nearest topic alone."""
SEVERAL = Membership(margin=0.2, most=3)
"""Ours; the paper says neither how many topics an image has nor from which weight on.

Of 2,000 pictures of another tasteworld (seed 7, sandbox) one in seven has several content topics,
and none several style topics: these are 35 sentences that lie far apart."""


class Topics(NamedTuple):
    """A fitted model. Topic ``len(vectors)`` is that of pictures with nothing said on the aspect.

    With fewer than two ``vectors`` it tells nothing apart.
    """

    vectors: Embeddings
    """``(t, d)``, of unit length."""
    of_item: dict[str, tuple[int, ...]]
    """The topics of every catalogue item, the nearest first; one or more."""


def spoken(description: Description, aspect: Aspect) -> str:
    """The words of one aspect among the tags, in their order; of the caption where it has no tags.

    Tags that keep no word fall away; with none left the text is empty.
    """
    phrases = description.tags or (description.caption,)
    style = aspect == "style"
    kept = (
        " ".join(w for w in re.findall(r"[^\W_]+", p.lower()) if (w in STYLE_WORDS) == style)
        for p in phrases
    )
    return ", ".join(phrase for phrase in kept if phrase)


def topic_vectors(captions: Embeddings, config: TopicConfig = TopicConfig()) -> Embeddings:
    """``(n, d)`` embedded captions => ``(t, d)`` unit topic vectors, t >= 0.

    PCA, then HDBSCAN (Campello et al. 2013; excess of mass); outliers form no topic. Nothing in
    it is random.
    """
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import PCA

    rows = unit_rows(captions)
    if len(rows) < 3 or np.ptp(rows, axis=0).max() < 10**-_DECIMALS:
        return np.zeros((0, captions.shape[1]))
    components = min(config.n_components, *rows.shape)
    points = PCA(components, svd_solver="covariance_eigh").fit_transform(rows)
    smallest = max(2, min(config.min_cluster_size, len(rows) // 50))
    labels = HDBSCAN(min_cluster_size=smallest, algorithm="kd_tree", copy=True).fit_predict(points)
    means = [rows[labels == k].mean(axis=0) for k in range(int(labels.max()) + 1)]
    return unit_rows(np.array(means).reshape(len(means), captions.shape[1]))


def assign(
    embedded: Embeddings, vectors: Embeddings, membership: Membership = ONE
) -> Int[np.ndarray, "n most"]:
    """The nearest topics by cosine of every embedded caption, of t >= 1; the first where tied.

    The nearest stands first; where fewer than ``most`` lie within the margin, -1 follows.
    """
    cosines = np.round(unit_rows(embedded) @ vectors.T, _DECIMALS)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, : membership.most]
    near = np.take_along_axis(cosines, order, axis=1)
    best, median = near[:, :1], np.median(cosines, axis=1, keepdims=True)
    beyond = np.round(best - near - membership.margin * (best - median), _DECIMALS)
    topics = np.full((len(cosines), membership.most), -1, dtype=np.int64)
    topics[:, : order.shape[1]] = np.where(beyond <= 0, order, -1)
    return topics


def fit_topics(
    context: ScoreContext, aspect: Aspect, config: TopicConfig, membership: Membership = ONE
) -> Topics:
    """Topics of the captions of all training and held-out items; kept across runs."""
    ids = sorted({*context.train.catalog.ids, *context.test.catalog.ids})
    signatures = [context.encoder_signature(role) for role in (CAPTIONER, TEXTS)]
    data = [context.train.hash, context.test.hash]
    key = ["topics", VERSION, aspect, *data, *signatures, asdict(config), sorted(STYLE_WORDS)]

    def described() -> tuple[Bool[np.ndarray, " n"], Embeddings]:
        return _embedded(context, context.item_descriptions(ids, CAPTIONER), aspect)

    def make() -> dict[str, np.ndarray]:
        said, embedded = described()
        vectors = topic_vectors(embedded, config)
        return {"vectors": vectors, "items": _topics_of(said, embedded, vectors, ONE)[:, 0]}

    kept = context.instrument(key, make)
    vectors, rows = kept["vectors"], kept["items"][:, None]
    if membership != ONE:
        several = [*key, "several", asdict(membership)]
        rows = context.instrument(
            several, lambda: {"items": _topics_of(*described(), vectors, membership)}
        )["items"]
    own = (tuple(topic for topic in row if topic >= 0) for row in rows.tolist())
    return Topics(vectors, dict(zip(ids, own, strict=True)))


def sample_topics(
    context: ScoreContext, aspect: Aspect, topics: Topics, membership: Membership = ONE
) -> Int[np.ndarray, "n most"]:
    """The topics of every generated image as `assign` gives them."""
    said, embedded = _embedded(context, context.descriptions(CAPTIONER), aspect)
    return _topics_of(said, embedded, topics.vectors, membership)


def _embedded(
    context: ScoreContext, descriptions: Sequence[Description], aspect: Aspect
) -> tuple[Bool[np.ndarray, " n"], Embeddings]:
    """Which descriptions say something on the aspect, and the embeddings of those."""
    texts = [spoken(description, aspect) for description in descriptions]
    said = [text for text in texts if text]
    embedded = context.text_features(TEXTS, said) if said else np.zeros((0, 1), np.float32)
    return np.array([bool(text) for text in texts], dtype=bool), embedded


def _topics_of(
    said: Bool[np.ndarray, " n"],
    embedded: Embeddings,
    vectors: Embeddings,
    membership: Membership,
) -> Int[np.ndarray, "n most"]:
    topics = np.full((len(said), membership.most), -1, dtype=np.int64)
    topics[:, 0] = len(vectors)
    if len(vectors) and said.any():
        topics[said] = assign(embedded, vectors, membership)
    return topics


def describe_config(config: TopicConfig, membership: Membership = ONE) -> str:
    """For signatures: every choice behind the topics."""
    words = content_hash(sorted(STYLE_WORDS))
    several = f"|topics-an-image:within{membership.margin:g},most{membership.most}"
    return (
        f"topics:top2vec(pca{config.n_components},hdbscan{config.min_cluster_size})"
        f"|style-words:{words}|topics-impl:{VERSION}{several if membership != ONE else ''}"
    )
