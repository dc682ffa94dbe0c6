"""What a track asks of a data set: whom, with which history, reference and instruction."""

from __future__ import annotations

from typing import Any, Unpack

from persongen_bench.api.settings import Settings, campaign_of
from persongen_bench.loop.world import load_world


def requests(dataset: str, **settings: Unpack[Settings]) -> list[dict[str, Any]]:
    """The requests of the board that runs on a data set go to, as plain values.

    Fields: ``request_id, user_id, reference, instruction, history, answers``.
    """
    campaign = campaign_of((), dataset, settings)
    board, world = campaign.board, load_world(campaign.world_ref())
    return [
        {
            "request_id": request.request_id,
            "user_id": request.user_id,
            "reference": request.reference,
            "instruction": request.instruction,
            "history": list(request.history),
            "answers": request.n_images,
        }
        for request in world.requests(board.track, campaign.n_answers, board.n_history)
    ]
