"""The published judges by role, each opened when it is used and from pinned files only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.language import MultimodalModel
from persongen_bench.core.roles import Captioner
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.stacks.inception_input import MODES, Mode
from persongen_bench.stacks.judges import aesthetic, clip, dino, files, hps, inception, vision
from persongen_bench.stacks.judges.blip import BlipCaptioner
from persongen_bench.stacks.judges.encoder import (
    Deferred,
    DeferredDual,
    DualFamily,
    EncoderCard,
    Family,
    JudgeDual,
    JudgeEncoder,
    Preparation,
)
from persongen_bench.stacks.judges.lpips import TAPS, LpipsEncoder, LpipsSettings
from persongen_bench.stacks.judges.pixels import SquarePixels
from persongen_bench.stacks.multimodal.tagging import TaggingCaptioner
from persongen_bench.stacks.published.locate import Places
from persongen_bench.stacks.published.manifest import HubRepo
from persongen_bench.stacks.published.pinned import Opened, pinned_files

ROLES = (
    "aesthetic", "captioner", "dino", "hps", "inception", "judge_encoder", "lpips", "pickscore",
    "verifier_encoder",
)  # fmt: skip
HPS_FILES = {"2.1": "HPS_v2.1_compressed.pt", "2.0": "HPS_v2_compressed.pt"}
"""Version => file."""
AESTHETIC = {"v2": files.AESTHETIC_V2, "v1": files.AESTHETIC_V1}
"""Version => repository of one file."""


@dataclass(frozen=True)
class Judges:
    """Opens judges from the files of a manifest; every one computes in float32."""

    places: Places
    clip: Callable[[], ImageEncoder]
    """OpenAI's ViT-L/14 of the stack, which the aesthetic heads stand on."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rows: int = 4
    """Pictures per network call."""
    lmm: Callable[[], MultimodalModel] | None = None
    """Opens the stack's role ``lmm``, which tags pictures; None: the stack has none."""

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """One of `ROLES`. No file is read; what misses one says so when it is used."""
        makers: dict[str, Callable[[], Any]] = {
            "aesthetic": lambda: Family({v: partial(self._aesthetic, v) for v in AESTHETIC}),
            "captioner": lambda: Captioners(self._captioner, self.lmm),
            "dino": lambda: Deferred(self._dino),
            "hps": lambda: DualFamily({v: partial(self._hps, v) for v in HPS_FILES}),
            "inception": lambda: Family({m: partial(self._inception, m) for m in MODES}),
            "judge_encoder": lambda: DeferredDual(self.clip_336),
            "lpips": lambda: Family({net: partial(self._lpips, net) for net in TAPS}),
            "pickscore": lambda: DeferredDual(self._pickscore),
            "verifier_encoder": lambda: Deferred(self._vit_big_g),
        }
        return makers[name]()

    def clip_336(self) -> JudgeDual:
        """OpenAI's ViT-L/14 at 336 pixels: the role ``judge_encoder`` and ``clip/336``."""
        return self._clip("openai-clip-336", files.CLIP_336, "quick_gelu")

    def _pickscore(self) -> JudgeDual:
        return self._clip("pickscore-v1", files.PICKSCORE, "gelu")

    def _clip(self, name: str, repo: HubRepo, activation: str) -> JudgeDual:
        opened = self._files(repo)
        config_file, weights = opened.paths
        config = clip.read_config(config_file)
        clip.require_activation(config, activation, config_file)
        preparation = SquarePixels(config.vision_config.image_size)
        card = self._card(name, opened, config.projection_dim, preparation)
        return JudgeDual(card, partial(clip.open_clip_network, config, weights), clip.tokens)

    def _hps(self, version: str) -> JudgeDual:
        opened, config = self._files(files.HPS, HPS_FILES[version]), hps.architecture()
        preparation = SquarePixels(config["vision_cfg"]["image_size"], "whole")
        card = self._card(f"hps-{version}", opened, config["embed_dim"], preparation)
        return JudgeDual(card, partial(hps.open_hps_network, config, opened.paths[0]), hps.tokens)

    def _dino(self) -> JudgeEncoder:
        opened = self._files(files.DINO)
        config_file, weights = opened.paths
        config = dino.read_config(config_file)
        card = self._card("dinov2", opened, config.hidden_size, dino.PREPARATION)
        return JudgeEncoder(card, partial(dino.open_dino_network, config, weights))

    def _vit_big_g(self) -> JudgeEncoder:
        opened = self._files(files.VIT_BIG_G)
        config_file, weights = opened.paths
        config = vision.read_config(config_file)
        preparation = SquarePixels(config.image_size)
        card = self._card("openclip-vit-bigg-14", opened, config.projection_dim, preparation)
        return JudgeEncoder(card, partial(vision.open_vision_network, config, weights))

    def _inception(self, mode: Mode) -> JudgeEncoder:
        opened = self._files(files.INCEPTION)
        preparation = inception.InceptionPreparation(mode)
        card = self._card("fid-inception", opened, inception.EMBEDDING_SIZE, preparation)
        return JudgeEncoder(card, partial(inception.open_inception, opened.paths[0]))

    def _aesthetic(self, version: str) -> aesthetic.AestheticHead:
        opened = self._files(AESTHETIC[version])
        return aesthetic.AestheticHead(version, opened.paths[0], opened.sha256, self.clip())

    def _lpips(self, net: Any) -> LpipsEncoder:  # noqa: ANN401  # one of TAPS
        name = {"alex": "alexnet", "vgg": "vgg16"}[net]
        opened = self._files(files.TRUNKS, name)
        settings = LpipsSettings(rows=self.rows, device=self.device)
        return LpipsEncoder(net, opened.paths[0], settings)

    def _captioner(self) -> BlipCaptioner:
        opened = self._files(files.BLIP)
        return BlipCaptioner(opened.paths, opened.sha256, self.device)

    def _card(self, name: str, opened: Opened, size: int, preparation: Preparation) -> EncoderCard:
        return EncoderCard(name, opened.sha256, size, preparation, self.device, self.rows)

    def _files(self, repo: HubRepo, prefix: str = "") -> Opened:
        """As `pinned_files`."""
        return pinned_files(self.places, repo, prefix)


class Captioners:
    """BLIP, opened when it is used, and what stands on it; implements `Captioner` and `Variants`.

    ``blip`` is the role itself. ``tagged`` is there where the stack has an ``lmm``, which tags the
    pictures (`TaggingCaptioner`); BLIP describes those whose reply is refused.
    """

    def __init__(
        self, make: Callable[[], BlipCaptioner], lmm: Callable[[], MultimodalModel] | None = None
    ) -> None:
        """``make`` and ``lmm`` open the models."""
        self._deferred = Deferred(make)
        self._tagged = TaggingCaptioner(lmm, lambda: self) if lmm else None
        self.variants = ("blip", "tagged") if lmm else ("blip",)

    @property
    def signature(self) -> str:
        """BLIP's."""
        return self._deferred.signature

    def describe(self, images: Sequence[Any]) -> list[Any]:
        """As BLIP does."""
        descriptions: list[Any] = self._deferred.model.describe(images)
        return descriptions

    def variant(self, name: str) -> Captioner:
        """``blip`` or ``tagged``; raises `MissingRoleError` for a name not in ``variants``."""
        if name == "blip":
            return self
        if name == "tagged" and self._tagged is not None:
            return self._tagged
        raise MissingRoleError(
            f"role captioner has no {name!r}, only {', '.join(self.variants)}",
            fix="The variant `tagged` needs a stack with the role lmm.",
        )
