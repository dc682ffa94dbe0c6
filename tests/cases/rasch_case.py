"""The Rasch model, fitted in another way than the package does."""

import numpy as np
from scipy import optimize
from scipy.special import expit


def likelihood_fit(scores):
    """Fitted scores of the Rasch model: scipy maximises the (quasi-)likelihood over all effects."""
    n, n_users = scores.shape

    def loss(effects):
        logits = effects[:n, None] + effects[n:]
        return np.logaddexp(0, logits).sum() - (scores * logits).sum()

    def slope(effects):
        left = expit(effects[:n, None] + effects[n:]) - scores
        return np.concatenate([left.sum(axis=1), left.sum(axis=0)])

    fit = optimize.minimize(
        loss, np.zeros(n + n_users), jac=slope, method="BFGS", options={"gtol": 1e-9}
    )
    return expit(fit.x[:n, None] + fit.x[n:])
