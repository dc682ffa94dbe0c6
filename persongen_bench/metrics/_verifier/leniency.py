"""What an image's other raters say about it, with how lenient they are taken into account.

In a world without taste, ``logit P(u likes i) = leniency_u + quality_i`` (the Rasch model). Then

* of two users who disagree about an image, v is the one who likes it with the odds
  ``exp(leniency_v - leniency_w)``, whatever the image: a Bradley-Terry model of the users, which
  gives their leniencies without any knowledge of the images;
* let each rater v other than u weigh a dislike by ``s(leniency_v)`` and a like by
  ``s(-leniency_v)``, s the logistic function. The expected sum over the dislikes of image i is
  ``exp(-quality_i)`` times that over its likes. So if a like of u weighs the others' dislikes of
  the image, and a dislike of u the others' likes of it, then of two images i and j it is equally
  likely, weights included, that u likes i and not j, and that u likes j and not i.

The weighted AUC of *any* score that is not made from these ratings is then 1/2 in expectation:
what images and users have in common cancels. Images on which all others agree with u weigh
nothing; what is left over is taste.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import sparse, special
from persongen_bench.core.ratings import Ratings
from persongen_bench.metrics._verifier.folds import Predictions

_ITERATIONS = 500
_PRIOR = 0.5
"""Wins and losses of every user against an average one: keeps users without them finite."""


def leniency(ratings: Ratings) -> Float[np.ndarray, " users"]:
    """Log-odds of each user in disagreements about the same image; around 0, 0 without any.

    Bradley-Terry by minorisation-maximisation (Hunter, Annals of Statistics 32, 2004), with half
    a win and half a loss against an average user.
    """
    shape = (len(ratings.users), len(ratings.items))
    places = (ratings.user, ratings.item)
    likes = sparse.csr_array((ratings.liked.astype(float), places), shape=shape)
    dislikes = sparse.csr_array(((~ratings.liked).astype(float), places), shape=shape)
    wins = np.asarray((likes @ dislikes.T).todense())
    games = wins + wins.T
    worth = np.ones(len(wins))
    for _ in range(_ITERATIONS):
        played = (games / (worth[:, None] + worth)).sum(axis=1) + 2 * _PRIOR / (worth + 1)
        new = (wins.sum(axis=1) + _PRIOR) / played
        if np.allclose(new, worth, rtol=1e-10, atol=0):
            break
        worth = new
    return np.asarray(np.log(worth))


def taste_weights(predictions: Predictions) -> Float[np.ndarray, " n"]:
    """Weight of every rating in the taste AUC: how strongly the image's other raters disagree.

    Fallback for an image that nobody else has rated: the verifier's mean logit for the other
    users is taken for its quality q, so a like weighs ``s(-q)`` and a dislike ``s(q)``.
    """
    ratings = predictions.ratings
    lenient = leniency(ratings)[ratings.user]
    # Leave-one-rater-out by itself: to the dislikes that weigh a like, its rater adds none.
    dislikes = _of_image(ratings, special.expit(lenient) * ~ratings.liked)
    likes = _of_image(ratings, special.expit(-lenient) * ratings.liked)
    alone = _of_image(ratings, np.ones(len(ratings))) < 2
    dislikes = np.where(alone, special.expit(-predictions.others), dislikes)
    likes = np.where(alone, special.expit(predictions.others), likes)
    return np.asarray(np.where(ratings.liked, dislikes, likes))


def _of_image(ratings: Ratings, values: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(ratings.item, values, len(ratings.items))[ratings.item])
