"""The stack that makes every method run end to end on a laptop: small models of the real classes.

All of them were trained on tasteworld by `pgbench models build sandbox` and ship with the
package. They know tasteworld pictures and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.near import near_miss
from persongen_bench.stacks.diffusion.image_encoder import (
    ClipDualEncoder,
    ClipImageEncoder,
    Normalisation,
    Placement,
)
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.diffusion.trained_size import trained_size
from persongen_bench.stacks.diffusion.weights_hash import weights_sha256
from persongen_bench.stacks.sandbox import adapter_file, standins
from persongen_bench.stacks.sandbox.places import ADAPTER, CLIP, GLIDE, IMAGE_ENCODER, PIPELINE

if TYPE_CHECKING:
    from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
    from persongen_bench.stacks.diffusion.source import Source

FOLDER = Path(__file__).resolve().parent.parent / "weights" / "sandbox"
"""The weights that ship with the package."""
SETTINGS = DiffusionSettings(
    sampler="dpm", n_inference_steps=4, guidance_scale=2.5, rows=16, dtype="auto"
)
"""Few-step sampling: in 6 and in 12 steps what is drawn is no nearer to what was asked for
(docs/results.md). The guidance was chosen on attribute agreement."""
_COMMAND = "pgbench models build sandbox --output FOLDER"


class SandboxStack:
    """Small diffusers, transformers and open_clip models, trained on tasteworld."""

    name: ClassVar[str] = "sandbox"
    roles: ClassVar[tuple[str, ...]] = (
        "decoder", "image_encoder", "clip", "lmm", "pixel_decoder", *standins.ROLES,
    )  # fmt: skip

    def __init__(
        self, folder: Path | None = None, settings: DiffusionSettings | None = None
    ) -> None:
        """Use the weights in ``folder``; default: the shipped ones."""
        self._folder = FOLDER if folder is None else folder
        self._settings = SETTINGS if settings is None else settings
        self._open: dict[str, Any] = {}

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role, loaded once; any other role raises `MissingRoleError`."""
        if name not in self.roles:
            raise MissingRoleError(
                f"stack sandbox has no {name!r}, only {', '.join(self.roles)}",
                fix=near_miss(name, self.roles, "Use a stack that has it (`pgbench list stacks`)."),
            )
        if name not in self._open:
            self._open[name] = self._opened(name)
        return self._open[name]

    def _opened(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        if name == "decoder":
            return self._decoder()
        if name == "image_encoder":
            return self._image_encoder()
        if name == "clip":
            return self._clip()
        if name == "lmm":
            return self._lmm()
        if name == "pixel_decoder":
            return self._pixel_decoder()
        return standins.open_role(name, self._folder / name, lambda: self.role("clip"))

    @property
    def signature(self) -> str:
        """Name, decoder settings and the checksum of every weights file."""
        decoder = self._settings.model_dump(exclude={"device", "dtype"})
        decoder["dtype"] = str(self._settings.torch_dtype()).removeprefix("torch.")
        said = "|".join(f"{key}:{value}" for key, value in decoder.items())
        return f"sandbox({said}|weights:{self._weights('')}|impl:1)"

    @property
    def image_size(self) -> int:
        """Side of every picture it draws."""
        return self._settings.size or trained_size(self._folder / PIPELINE)

    def _weights(self, *places: str) -> str:
        weights = {}
        for place in places:
            folder = self._folder / place
            files = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.safetensors"))]
            weights[place] = (folder, files)
        return weights_sha256(weights)

    def _source(self, place: str) -> Source:
        from persongen_bench.stacks.diffusion.source import Source

        return Source(self._folder / place, _COMMAND)

    def _decoder(self) -> DiffusionDecoder:  # its libraries are imported for those who ask
        from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
        from persongen_bench.stacks.diffusion.load import open_pipeline

        pipeline = open_pipeline(
            self._source(PIPELINE), self._source(ADAPTER), adapter_file.NAME, torch.float32
        )
        weights = self._weights(PIPELINE, ADAPTER)
        return DiffusionDecoder(pipeline, self._settings, weights)

    def _image_encoder(self) -> ClipImageEncoder:
        from persongen_bench.stacks.diffusion.clip_files import open_image_encoder

        model = open_image_encoder(self._source(IMAGE_ENCODER), torch.float32)
        return ClipImageEncoder(model, self._weights(IMAGE_ENCODER), self._placement(IMAGE_ENCODER))

    def _clip(self) -> ClipDualEncoder:
        from persongen_bench.stacks.diffusion.clip_files import open_clip_model

        model, tokenizer = open_clip_model(self._source(CLIP), torch.float32)
        return ClipDualEncoder(model, tokenizer, self._weights(CLIP), self._placement(CLIP))

    def _lmm(self) -> Any:  # noqa: ANN401  # its libraries are imported for those who ask for it
        from persongen_bench.stacks.sandbox.lmm.opening import open_lmm

        return open_lmm(self._folder / "lmm", self.role("image_encoder"), self.role("decoder"))

    def _pixel_decoder(self) -> Any:  # noqa: ANN401  # as above
        from persongen_bench.stacks.sandbox.glide import open_glide

        return open_glide(self._folder / GLIDE)

    def _placement(self, place: str) -> Placement:
        return Placement(normalisation=Normalisation.of(self._folder / place))
