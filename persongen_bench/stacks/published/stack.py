"""The published models as stacks: Stable Diffusion 1.5 and XL with their IP-Adapters.

The weights are never fetched here: they lie where `locate` looks, and `pgbench models pull` puts
them there. The safety checker is off: it is neither loaded nor run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.stacks.diffusion import clip_files, load
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.diffusion.image_encoder import ClipImageEncoder, Placement
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.diffusion.source import Source
from persongen_bench.stacks.diffusion.trained_size import trained_size
from persongen_bench.stacks.judges import roles as judging
from persongen_bench.stacks.judges.clip import ClipVersions, require_activation
from persongen_bench.stacks.judges.files import JUDGES
from persongen_bench.stacks.language import roles as language
from persongen_bench.stacks.language.files import LANGUAGE
from persongen_bench.stacks.multimodal import place as multimodal
from persongen_bench.stacks.pixel_diffusion import place as pixel
from persongen_bench.stacks.published import files
from persongen_bench.stacks.published.digests import combined_sha256
from persongen_bench.stacks.published.locate import MissingWeightsError, Place, Places, locate
from persongen_bench.stacks.published.manifest import HubRepo, Manifest

IMPLEMENTATION = 1
"""Rises when the same weights and settings give other numbers."""
OWN_ROLES = ("clip", "decoder", "image_encoder")
"""Roles of a stack's own files."""
JUDGE_ROWS = {"cpu": 4, "cuda": 32}
"""Pictures per network call of a judge by type of device."""


@dataclass(frozen=True)
class Parts:
    """Which repositories and files fill the roles."""

    pipeline: HubRepo
    adapter: HubRepo
    adapter_file: str
    image_encoder: str
    """Folder of the IP-Adapter's image encoder in its repository."""
    clip: HubRepo = files.CLIP

    def prefixes(self, role: str) -> tuple[str, ...]:
        """Labels of a role's files begin with these."""
        return {
            "decoder": (f"{self.pipeline.folder}/", f"{self.adapter.folder}/{self.adapter_file}"),
            "image_encoder": (f"{self.adapter.folder}/{self.image_encoder}/",),
            "clip": (f"{self.clip.folder}/",),
        }[role]


class PublishedStack:
    """Roles ``decoder``, ``image_encoder`` and ``clip`` over published weights, and the judges.

    On a GPU in float16, on a CPU in float32 (settings may say otherwise). A role is opened when
    it is first asked for and then kept.

    The judges (`persongen_bench.stacks.judges.roles`) are no part of the stack's signature, and
    their files, ``pgbench models pull judges``, are looked for when a judge is used; each has a
    signature of its own, and computes in float32 on every device. ``judge_encoder`` is OpenAI's
    CLIP ViT-L/14 at 336 pixels: no adapter of these stacks was trained on it. It shares its data
    with the role ``clip``, whose variant ``clip/336`` it is. ``verifier_encoder`` is the ViT-bigG.

    The roles ``llm`` and ``vit`` (`persongen_bench.stacks.language.roles`) are as lazy: ``pgbench
    models pull language``. ``lmm`` and ``pixel_decoder`` are there where their folders are (modules
    ``place`` of `multimodal` and `pixel_diffusion`); ``captioner/tagged`` asks the ``lmm``.
    """

    name: ClassVar[str]
    roles: tuple[str, ...] = (*OWN_ROLES, *judging.ROLES, *language.ROLES)
    manifest: ClassVar[Manifest]
    parts: ClassVar[Parts]
    defaults: ClassVar[Mapping[str, Any]]
    """Settings of the decoder."""
    rows: ClassVar[Mapping[str, int]]
    """Pictures per network call by type of device."""

    def __init__(
        self, folder: Path | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Use the files in ``folder`` (`locate`); ``settings`` go over the stack's defaults.

        Where a folder is named, the judges' files lie in ``folder/judges`` and those of the
        language models in ``folder/language``; without these folders the stack has not their roles.
        """
        chosen = DiffusionSettings(**{**self.defaults, **(settings or {})})
        if "rows" not in (settings or {}):
            rows = self.rows.get(chosen.torch_device().type, 1)
            chosen = chosen.model_copy(update={"rows": rows})
        self.settings = chosen
        self.places: Places = locate(self.manifest, folder)
        self._open: dict[str, Any] = {}
        groups = {JUDGES.stack: judging.ROLES, LANGUAGE.stack: language.ROLES}
        held = [roles for name, roles in groups.items() if not folder or (folder / name).is_dir()]
        places = {"lmm": multimodal.find(folder), "pixel_decoder": pixel.find(folder)}
        self._unpinned_places = {role: place for role, place in places.items() if place}
        self.roles = (*OWN_ROLES, *self._unpinned_places, *(r for roles in held for r in roles))
        device = self.settings.torch_device()
        rows = JUDGE_ROWS.get(device.type, 4)
        inside = {name: folder / name if folder else None for name in groups}
        lmm = partial(self.role, "lmm") if places["lmm"] else None
        self.judges = judging.Judges(
            locate(JUDGES, inside[JUDGES.stack]), lambda: self.role("clip"), device, rows, lmm
        )
        self.languages = language.Languages(locate(LANGUAGE, inside[LANGUAGE.stack]), device, rows)

    def missing(self) -> str | None:
        """What is missing of its own files, and how to get it."""
        try:
            self.places.require()
        except MissingWeightsError as error:
            return str(error)
        return None

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role; raises `MissingRoleError`, or names the weights it lacks."""
        openers: dict[str, Callable[[], Any]] = {
            "decoder": self._decoder,
            "image_encoder": self._image_encoder,
            "clip": self._clip,
            **{judge: partial(self.judges.role, judge) for judge in judging.ROLES},
            **{name: partial(self.languages.role, name) for name in language.ROLES},
            **{name: partial(self._unpinned, name) for name in self._unpinned_places},
        }
        if name not in openers:
            raise MissingRoleError(
                f"stack {self.name} has no {name!r}, only {', '.join(self.roles)}",
                fix="Use a stack that has it; `pgbench list stacks` names them.",
            )
        if name not in self._open:
            if name in OWN_ROLES:
                self.places.require()
            self._open[name] = openers[name]()
        return self._open[name]

    @cached_property
    def signature(self) -> str:
        """Name, settings and the checksum of every file; no model is opened for it."""
        self.places.require()
        said = self.settings.model_dump(exclude={"device", "dtype"})
        said["dtype"] = str(self.settings.torch_dtype()).removeprefix("torch.")
        said["weights"] = combined_sha256(self.places.files)
        said["impl"] = IMPLEMENTATION
        return f"{self.name}({'|'.join(f'{key}:{value}' for key, value in said.items())})"

    @property
    def image_size(self) -> int:
        """Side of every picture it draws; no model is opened for it."""
        if self.settings.size is None:
            self.places.require()
        return self.settings.size or trained_size(self.places.folder(self.parts.pipeline))

    def _files(self, role: str) -> tuple[Place, ...]:
        return self.places.of(self.parts.prefixes(role))

    def _source(self, repo: HubRepo, inside: str = "", variant: str | None = None) -> Source:
        return Source(self.places.folder(repo) / inside, self.places.command, variant)

    def _decoder(self) -> DiffusionDecoder:
        pipeline = load.open_pipeline(
            self._source(self.parts.pipeline, variant="fp16"),
            self._source(self.parts.adapter),
            self.parts.adapter_file,
            self.settings.torch_dtype(),
        )
        return DiffusionDecoder(pipeline, self.settings, combined_sha256(self._files("decoder")))

    def _unpinned(self, role: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """A model that is there where its folder is; imported for those who ask for it."""
        opened: Callable[..., Any]
        if role == "lmm":
            from persongen_bench.stacks.multimodal.emu3 import open_emu3 as opened
        else:
            from persongen_bench.stacks.pixel_diffusion.published import open_published as opened
        return opened(self._unpinned_places[role], self.settings.torch_device())

    def _placement(self) -> Placement:
        own = self.settings
        return Placement(own.torch_device(), own.torch_dtype(), rows=own.rows)

    def _image_encoder(self) -> ClipImageEncoder:
        weights = combined_sha256(self._files("image_encoder"))
        source = self._source(self.parts.adapter, self.parts.image_encoder)
        where = self._placement()
        return ClipImageEncoder(clip_files.open_image_encoder(source, where.dtype), weights, where)

    def _clip(self) -> ClipVersions:
        weights = combined_sha256(self._files("clip"))
        where = self._placement()
        source = self._source(self.parts.clip)
        model, tokenizer = clip_files.open_clip_model(source, where.dtype)
        require_activation(model.config, "quick_gelu", source.folder / "config.json")
        return ClipVersions(model, tokenizer, weights, where, self.judges.clip_336)


class Sd15Stack(PublishedStack):
    """Stable Diffusion 1.5 with IP-Adapter (ViT-H/14, 1024-d); the safety checker is off.

    Defaults as in REBECA's code: the pipeline's own sampler (PNDM), 50 steps, guidance 5, adapter
    at full strength, 512 x 512. The role ``clip`` is OpenAI's ViT-L/14, whose text tower is the
    pipeline's text encoder.
    """

    name = "sd15"
    manifest = files.SD15
    parts = Parts(
        files.STABLE_DIFFUSION_15,
        files.IP_ADAPTER_15,
        "models/ip-adapter_sd15.safetensors",
        "models/image_encoder",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "sampler": "stock",
        "n_inference_steps": 50,
        "guidance_scale": 5.0,
    }
    rows: ClassVar[Mapping[str, int]] = {"cpu": 1, "cuda": 8}


class SdxlStack(PublishedStack):
    """Stable Diffusion XL 1.0 with IP-Adapter (ViT-bigG/14, 1280-d); the safety checker is off.

    Defaults: the pipeline's own sampler (Euler), and as in ImageGem 30 steps, guidance 5,
    1024 x 1024; the watermark that diffusers may add is off.
    """

    name = "sdxl"
    manifest = files.SDXL
    parts = Parts(
        files.STABLE_DIFFUSION_XL,
        files.IP_ADAPTER_XL,
        "sdxl_models/ip-adapter_sdxl.safetensors",
        "sdxl_models/image_encoder",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "sampler": "stock",
        "n_inference_steps": 30,
        "guidance_scale": 5.0,
    }
    rows: ClassVar[Mapping[str, int]] = {"cpu": 1, "cuda": 2}
