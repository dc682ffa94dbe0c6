"""The contract of a stack: every role can be had, and a row's result depends on the row alone."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from persongen_bench.core import registry
from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.stack import Decoder, ImageEncoder, Stack
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.testing.base import Contract
from persongen_bench.testing.require import ContractError, require, require_images, require_same
from persongen_bench.testing.toy import toy_world

N = 5
SEEDS = (11, 12, 13, 14, 15)


class StackContract(Contract):
    """Subclass it and set ``stack``, or override `make`."""

    subject: ClassVar[str] = "stack"

    stack: str | type[Stack] = ""
    """Registered name, ``distribution/name`` for a plugin, or the class itself."""

    def make(self) -> Stack:
        """A new stack."""
        cls = registry.get("stacks", self.stack) if isinstance(self.stack, str) else self.stack
        made: Stack = cls()
        return made

    def test_every_role_resolves_and_is_signed(self) -> None:
        """Each name in ``roles`` gives a model with a printable, non-empty signature."""
        stack = self._stack()
        require(stack.name and stack.roles, "a stack needs a name and at least one role")
        require(len(set(stack.roles)) == len(stack.roles), "a role is listed twice")
        for role in stack.roles:
            signature = stack.role(role).signature
            require(isinstance(signature, str) and signature, f"role {role} has no signature")
            require(signature.isprintable(), f"the signature of role {role} is not printable")

    def test_unknown_role_is_a_clear_error(self) -> None:
        """`MissingRoleError`, naming the role and the roles there are."""
        stack = self._stack()
        try:
            stack.role("no-such-role")
        except MissingRoleError as error:
            for name in ("no-such-role", *stack.roles):
                require(name in str(error), f"the error does not name {name!r}: {error}")
        else:
            raise ContractError("an unknown role was answered")

    def test_signature_is_stable(self) -> None:
        """Two stacks made alike have one signature, here and in another process."""
        signature = self._stack().signature
        require(self.make().signature == signature, "two instances have different signatures")
        theirs = self.elsewhere("signature")
        require(theirs == signature, f"another process says {theirs!r}, this one {signature!r}")

    def test_encoders_give_float32_rows(self) -> None:
        """``(n, embedding_size)`` float32, finite, also for no image at all."""
        for role, encoder in self._encoders().items():
            for n in (0, 1, N):
                _require_rows(encoder.encode(_pictures()[:n]), (n, encoder.embedding_size), role)

    def test_encoding_ignores_the_batch(self) -> None:
        """All at once, one by one and in reverse are equal to the last bit."""
        for role, encoder in self._encoders().items():
            whole = list(encoder.encode(_pictures()))
            single = [encoder.encode([picture])[0] for picture in _pictures()]
            backwards = encoder.encode(_pictures()[::-1])[::-1]
            require_same(whole, single, f"role {role}, all at once against one by one")
            require_same(whole, list(backwards), f"role {role}, forwards against backwards")

    def test_decoder_gives_images(self) -> None:
        """One uint8 RGB image per row, also for no row at all."""
        for decoder, rows in self._decoder():
            for n in (0, 1, N):
                require_images(decoder.decode(rows[:n], SEEDS[:n]), n)

    def test_decoding_ignores_the_batch(self) -> None:
        """All at once, one by one and in reverse are equal to the last bit."""
        for decoder, rows in self._decoder():
            whole = decoder.decode(rows, SEEDS)
            single = [decoder.decode(rows[[k]], [SEEDS[k]])[0] for k in range(N)]
            backwards = decoder.decode(rows[::-1].copy(), SEEDS[::-1])[::-1]
            require_same(whole, single, "decoding all at once against one by one")
            require_same(whole, backwards, "decoding forwards against backwards")

    def test_inputs_stay_as_they_were(self) -> None:
        """Encoding changes no picture, decoding no embedding."""
        for role, encoder in self._encoders().items():
            pictures = _pictures()
            encoder.encode(pictures)
            require_same(_pictures(), pictures, f"pictures before and after role {role}")
        for decoder, rows in self._decoder():
            kept = rows.copy()
            decoder.decode(rows, SEEDS)
            require_same([kept], [rows], "embeddings before and after decoding")

    def signature(self) -> str:
        """The worker's side of a check."""
        return self.make().signature

    def _stack(self) -> Stack:
        return self.once("stack", self.make)

    def _encoders(self) -> dict[str, ImageEncoder]:
        models = {role: self._stack().role(role) for role in self._stack().roles}
        return {role: model for role, model in models.items() if hasattr(model, "encode")}

    def _decoder(self) -> list[tuple[Decoder, Embeddings]]:
        """The decoder with five embeddings, in a list that is empty where there is none."""
        stack = self._stack()
        if not {"decoder", "image_encoder"} <= set(stack.roles):
            return []
        return [(stack.role("decoder"), stack.role("image_encoder").encode(_pictures()))]


def _pictures() -> list[Image]:
    catalog = toy_world().train.catalog
    return catalog.images(catalog.ids[:N])


def _require_rows(rows: Any, shape: tuple[int, int], role: str) -> None:  # noqa: ANN401
    require(isinstance(rows, np.ndarray), f"role {role}: found {type(rows).__name__}")
    require(rows.dtype == np.float32, f"role {role}: expected float32, found {rows.dtype}")
    require(rows.shape == shape, f"role {role}: expected shape {shape}, found {rows.shape}")
    require(np.isfinite(rows).all(), f"role {role}: not every value is finite")
