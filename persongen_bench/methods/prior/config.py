"""The options that all diffusion priors share."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from persongen_bench.core.config import Config

Precision = Literal["float32", "bfloat16"]
Prediction = Literal["sample", "epsilon", "v_prediction"]
BetaSchedule = Literal["squaredcos_cap_v2", "linear", "scaled_linear", "laplace"]
Sampler = Literal["ddpm", "ddim", "dpm"]
RequestedRating = Literal["like", "dislike"]
UnseenUser = Literal["refuse", "mixture", "fitted"]

DECODER_FIELDS = (
    "prompt", "negative_prompt", "decoder_guidance_scale", "decoder_steps", "image_scale",
)  # fmt: skip
"""Options that are passed on to the decoder; their defaults leave everything to the stack."""
GENERATE_FIELDS = frozenset(
    {
        "guidance_scale", "guidance_stop", "rating", "sampler", "n_inference_steps", "clip_range",
        "sampling_precision", *DECODER_FIELDS,
    }
)  # fmt: skip
"""Options that only sampling and decoding read."""
ADAPT_FIELDS = frozenset({"unseen_user", "n_token_steps"})
"""Options that only the head for unseen users reads."""


class PriorConfig(Config):
    """Data, optimisation, diffusion and sampling of a prior; defaults as REBECA published them."""

    use_user: bool = True
    """Condition on the user; off, every row carries the null user (the no-user ablation)."""
    user_start: Literal["random", "ratings"] = "random"
    """Where the users' tokens start: at random (published), or at what a regression of each user's
    likes on the embeddings says, so that users who rate alike start alike."""
    train_on: Literal["ratings", "likes"] = "ratings"
    """Denoise every rated image under its rating (published), or the liked ones alone: what a
    dislike says then reaches the network through ``user_start`` only."""
    normalization: Literal["none", "standard"] = "none"
    """Embeddings as they are (published), or centred and divided by one global deviation."""

    ratings_per_user: int | None = Field(default=100, ge=1)
    """Ratings drawn per user and epoch without replacement; None: every rating once."""
    n_validation: int = Field(default=10, ge=0)
    """Ratings per user kept out of the gradient for early stopping (at most a fifth of them)."""
    validation: Literal["own", "split"] = "own"
    """Whose losses stop the training: ``own``: those of ``n_validation`` ratings per user of the
    training data; ``split``: those of the split's validation rows (published), and every training
    row is trained on. An error where the split has no such rows for methods."""
    user_dropout: float = Field(default=0.15, ge=0, lt=1)
    """Probability that a training row's user becomes the null user."""
    rating_dropout: float = Field(default=0.15, ge=0, lt=1)
    """Probability that a training row's rating becomes the null rating."""
    dropout: Literal["reference", "standard"] = "reference"
    """``reference``: the two drop independently, as released, so that the branch with both null,
    which guidance uses, is seen on 2.25% of the rows; ``standard``: one draw decides both."""

    batch_size: int = Field(default=64, ge=1)
    """Rows per gradient step."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """AdamW step size at the start."""
    weight_decay: float = Field(default=1e-5, ge=0)
    """AdamW decoupled weight decay."""
    learning_rate_schedule: Literal["plateau", "cosine"] = "plateau"
    """Halve after 5 epochs without improvement (published), or cosine to 0 over ``max_epochs``."""
    precision: Precision = "float32"
    """Of the matrix products of a training step; weights, sums and validation stay float32.
    ``bfloat16`` is faster on processors that have it, and far slower on others."""
    compile: bool = False
    """Compile the network before training (`torch.compile`): steps are shorter on a GPU, after a
    minute or so of compiling; it needs a C++ compiler. Results are equal to rounding."""
    max_epochs: int = Field(default=2001, ge=1)
    """Upper bound on the epochs."""
    patience: int = Field(default=50, ge=1)
    """Epochs without a lower validation loss before training stops; the best weights are kept."""

    prediction: Prediction = "sample"
    """What the network predicts: the clean embedding (``sample``), the noise (``epsilon``), or
    ``v_prediction``: the noise less the clean embedding, weighted by the schedule (Salimans and
    Ho 2022)."""
    beta_schedule: BetaSchedule = "squaredcos_cap_v2"
    """Noise schedule, by its diffusers name. ``laplace`` keeps a signal of 3% at the last step."""
    n_timesteps: int = Field(default=1000, ge=2)
    """Steps of the forward process."""

    guidance_scale: float = Field(default=7.0, ge=0)
    """Classifier-free guidance s in ``u + s (c - u)``: 0 unconditional, 1 conditional."""
    guidance_stop: float = Field(default=1.0, ge=0, le=1)
    """Fraction of the denoising steps after which guidance stops and the condition leads alone
    (Kynkaanniemi et al. 2024); 1: guided to the end, as published."""
    rating: RequestedRating = "like"
    """What is asked for: pictures that the user would like (published), or would dislike."""
    sampler: Sampler = "ddpm"
    """Ancestral DDPM (published), deterministic DDIM, or second-order DPM-Solver++."""
    n_inference_steps: int = Field(default=1000, ge=1)
    """Denoising steps, at most ``n_timesteps``."""
    clip_range: float | None = Field(default=None, gt=0)
    """Bound on every number of the estimated clean embedding (after ``normalization``) at each
    step; None: no clipping, as published. Noise prediction needs it where few steps are taken."""

    sampling_precision: Precision = "float32"
    """Of the network's products while embeddings are drawn; noise and steps stay float32.
    ``bfloat16`` rounds each prediction to 8 bits before guidance enlarges the difference."""

    prompt: str = ""
    """Words that every picture of every user is drawn with, beside its embedding (appendix L.1)."""
    negative_prompt: str = ""
    """Words that it is drawn away from."""
    decoder_guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance of the decoder, 1 or less: off; None: the stack's own (paper: 5)."""
    decoder_steps: int | None = Field(default=None, ge=1)
    """Denoising steps of the decoder; None: the stack's own (paper: 50)."""
    image_scale: float | None = Field(default=None, ge=0)
    """Strength of the decoder's IP-Adapter; None: the stack's own (paper: 1), and beside an
    instruction .5."""

    unseen_user: UnseenUser = "refuse"
    """Whom training did not see: ``refuse``; or infer a token from the ratings they bring, as a
    ``mixture`` of the known users' tokens or ``fitted`` to the loss. With no rating at all it is
    the null user's."""
    n_token_steps: int = Field(default=60, ge=1)
    """Gradient steps on a ``fitted`` token, the network frozen."""

    added: ClassVar[tuple[str, ...]] = ("validation", "rating", "sampling_precision", "compile")
    """Options that came after the first release; see `dump`."""

    @model_serializer(mode="wrap")
    def dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The values without those of ``added`` that are at their defaults.

        What was made before these options existed keeps its name: run ids, fits, random numbers.
        """
        fields, values = type(self).model_fields, handler(self)
        plain = {k for k in self.added if getattr(self, k) == fields[k].default}
        return {k: v for k, v in values.items() if k not in plain}
