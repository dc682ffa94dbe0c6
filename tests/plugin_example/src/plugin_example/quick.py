"""Quick: the decoder of the stack that ships, in two steps instead of twelve."""

from __future__ import annotations

from typing import ClassVar

from persongen_bench.stacks.sandbox import SETTINGS, SandboxStack


class QuickStack(SandboxStack):
    """The weights of ``sandbox`` in a hurry: rough pictures in a fifth of a second each."""

    name: ClassVar[str] = "quick"
    roles: ClassVar[tuple[str, ...]] = ("decoder", "image_encoder")

    def __init__(self) -> None:
        super().__init__(settings=SETTINGS.model_copy(update={"n_inference_steps": 2, "rows": 1}))

    @property
    def signature(self) -> str:
        """Of the sandbox with these settings, under a name of its own."""
        return f"quick-{super().signature}"
