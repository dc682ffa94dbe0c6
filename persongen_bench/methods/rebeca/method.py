"""REBECA as a method, and its ablation without users.

The defaults are the winning configuration of 001 (appendix E.2) and its released code; the search
of appendix E.1 is in the options. Of what it names:

- ``epsilon`` as a noise schedule is taken for a slip: it is something to predict, and no schedule.
- It swept a user threshold and a normalization of scores whose values are not printed, and took
  neither (threshold 0, normalization ``none``): there are no options for them. ``normalization``
  here is of the embeddings.
- Transformer and cross-attention adapters that it compared are not described, and not here.
- Its text mentions an experiment on navigating and editing embeddings and does not describe it.

Other than in the paper: the noise of an image comes from a hash of what is asked (`Sample.seed`)
instead of 42 + 10,000 i + j for image j of user i, so that an image stays the same when users are
added, removed or sorted. Users weigh the same in an epoch (``ratings_per_user``), as in 001; 000
balances them within each batch. By default training stops by some of its own rows, which serves
every split; with ``validation=split`` it trains on all rows of the published split (189,008) and
stops by that split's validation rows, as the paper does. Training and sampling run on the CPU,
where the same fit gives the same bits; so nothing here measures the ten minutes that training
takes on the authors' graphics card.

Appendix D prints a block whose residual pathways all start at zero, the code has another one;
``block`` takes either, with 4,510,246 and 4,411,174 parameters at the published size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from persongen_bench.methods.prior.method import PriorMethod
from persongen_bench.methods.rebeca.config import NoUserConfig, RebecaConfig
from persongen_bench.methods.rebeca.network import RebecaPrior

CONTROLLED: Mapping[str, object] = {
    "normalization": "standard",
    "n_tokens": 2,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_size": 64,
    "ratings_per_user": 4096,
    "n_validation": 512,
    "batch_size": 256,
    "learning_rate": 2e-3,
    "learning_rate_schedule": "cosine",
    "max_epochs": 32,
    "guidance_scale": 4.0,
    "sampler": "ddim",
    "n_inference_steps": 50,
}
"""For worlds of a few users, many ratings and small embeddings: 2,048 steps, about 40 s on two
cores. Network details, losses, dropout and time frequencies stay as released."""

SANDBOX: Mapping[str, object] = {
    "user_start": "ratings",
    "normalization": "standard",
    "n_tokens": 1,
    "n_layers": 1,
    "n_heads": 4,
    "hidden_size": 128,
    "time_freqs": "standard",
    "dropout": "standard",
    "beta_schedule": "linear",
    "ratings_per_user": None,
    "n_validation": 3,
    "batch_size": 256,
    "learning_rate": 3e-3,
    "weight_decay": 0.1,
    "learning_rate_schedule": "cosine",
    "max_epochs": 50,
    "patience": 1000,
    "guidance_scale": 20.0,
    "guidance_stop": 0.7,
    "sampler": "ddim",
    "n_inference_steps": 20,
}
"""For small embeddings and some hundred raters of whom few rate much; forty seconds on one core: in
80 and in 160 epochs the validation loss gets no lower. The linear schedule spends most steps where
almost all is noise, which is where a user's taste decides what to predict; there guidance may be
strong, and it stops before it pushes embeddings off those of pictures. Tokens start from what
ratings say, or so few epochs would not do. 20 steps of DDIM take 50 times fewer network calls than
1000 of DDPM."""


@final
class Rebeca(PriorMethod):
    """REBECA: user- and rating-conditioned prior that predicts the clean embedding."""

    Config = RebecaConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {},
        "controlled": CONTROLLED,
        "sandbox": SANDBOX,
    }
    config: RebecaConfig

    def network(self, embedding_size: int, n_users: int) -> RebecaPrior:
        """The network of appendix D for the stack's embeddings and the data's users."""
        return RebecaPrior(self.config, embedding_size, n_users)


@final
class RebecaNoUser(PriorMethod):
    """The ablation without user: the same network, every user null."""

    Config = NoUserConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = Rebeca.presets
    heads: ClassVar[tuple[Mapping[str, object], ...]] = ()
    config: NoUserConfig

    def network(self, embedding_size: int, n_users: int) -> RebecaPrior:
        """The same network; the rows of its user table but the null one are never read."""
        return RebecaPrior(self.config, embedding_size, n_users)
