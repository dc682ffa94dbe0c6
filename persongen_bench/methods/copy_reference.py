"""Copy reference: returns the very picture that was to be followed.

It agrees with the reference in full, wins every similarity to it, and asks nobody's taste: the
corner of the plane of taste and agreement that no method may be praised for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Image
from persongen_bench.methods._items import FromCatalog


@final
class CopyReference(FromCatalog):
    """Answers with the reference of each request, opened once."""

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """The reference itself; a request without one is a failure.

        Where that holds for all, `UnsupportedRequestError` is raised.
        """
        if samples and all(sample.request.reference is None for sample in samples):
            raise UnsupportedRequestError(_no_reference(samples[0]))
        asked = {s.request.request_id: s.request for s in samples if s.request.reference}
        opened = {name: request.open_reference() for name, request in asked.items()}
        return [
            opened[sample.request.request_id].copy()
            if sample.request.reference is not None
            else Failure("method_error", _no_reference(sample))
            for sample in samples
        ]


def _no_reference(sample: Sample) -> str:
    return f"the request of user {sample.request.user_id!r} names no picture to follow"
