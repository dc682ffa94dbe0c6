"""A model in a folder, in the layout of the hub: what is missing or damaged is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.loading_report import wrong_tensor
from persongen_bench.stacks.quiet import quiet

LIBRARIES = {
    "UNet2DConditionModel": "diffusers",
    "AutoencoderKL": "diffusers",
    "CLIPTextModel": "transformers",
    "CLIPTextModelWithProjection": "transformers",
    "CLIPVisionModelWithProjection": "transformers",
    "CLIPModel": "transformers",
}
"""Class named in a folder => the library it may come from, imported when one is opened; no other
class is loaded."""
STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""Library => name of its weights file."""


@dataclass(frozen=True)
class Source:
    """Where a model lies, and how to get it."""

    folder: Path
    command: str
    """What fetches it, such as ``pgbench models pull sd15``."""
    variant: str | None = None
    """``fp16``: the files ``*.fp16.safetensors``."""

    def require(self, names: Iterable[str]) -> None:
        """Raise `ConfigError` naming the first file that is missing, and the command."""
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ConfigError(
                f"{self.folder / missing[0]}: no such file{more}", fix=f"Run `{self.command}`."
            )

    def weight(self, stem: str) -> str:
        """File name of safetensors weights in this variant."""
        return f"{stem}.{self.variant}.safetensors" if self.variant else f"{stem}.safetensors"


@contextmanager
def readable(source: Source) -> Iterator[None]:
    """What the libraries raise for damaged files, as one line that says what to do."""
    try:
        yield
    except Exception as error:  # each library has its own kinds
        raise ConfigError(
            f"{source.folder}: cannot be opened ({type(error).__name__}: {error})",
            fix=f"Remove it and run `{source.command}` again.",
        ) from error


def open_module(cls: str, source: Source, dtype: torch.dtype, part: str = "") -> Any:  # noqa: ANN401
    """A module in a folder; raises `ConfigError` where the file lacks one of its tensors.

    The libraries fill what is missing with random numbers and a message.
    """
    library = LIBRARIES[cls]
    loader = getattr(import_module(library), cls)
    weight = Path(part, source.weight(STEMS[library])).as_posix()
    source.require([Path(part, "config.json").as_posix(), weight])
    with quiet(), readable(source):
        module, report = loader.from_pretrained(
            source.folder / part,
            local_files_only=True,
            use_safetensors=True,
            variant=source.variant,
            dtype=dtype,
            output_loading_info=True,
        )
        lacking = wrong_tensor({"missing_keys": report["missing_keys"]})
        if lacking is not None:
            raise ValueError(f"{weight} {lacking}")
    return module
