"""The words of catalogue items: their captions, and what the captioner says of the others."""

from __future__ import annotations

from collections.abc import Sequence

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.metric_cards import Forms

COLUMN = "caption"


def item_texts(context: ScoreContext, item_ids: Sequence[str]) -> list[str]:
    """One text per item: its caption in the catalogue, else that of the role ``captioner``.

    The whole text is handed to the text tower, which cuts it to its context.
    """
    captions = _captions(context)
    bare = [item for item in dict.fromkeys(item_ids) if item not in captions]
    said = context.item_descriptions(bare) if bare else []
    texts = captions | {item: one.caption for item, one in zip(bare, said, strict=True)}
    return [texts[item] for item in item_ids]


def text_source(context: ScoreContext) -> str:
    """Where the words of this data set come from, for signatures.

    It depends on the whole catalogue, not on the items that one run happens to ask for, so that
    two methods on one data set have the same signature. On a card there is no catalogue yet.
    """
    if isinstance(context, Forms):
        return f"text:{COLUMN}-else-captioner"
    n_items = len(_items(context))
    n_captions = len(_captions(context))
    if n_captions == n_items:
        return f"text:{COLUMN}"
    captioner = f"captioner:{context.encoder_signature('captioner')}"
    if not n_captions:
        return f"text:{captioner}"
    return f"text:{COLUMN}({n_captions}/{n_items})+{captioner}"


def _items(context: ScoreContext) -> pd.DataFrame:
    tables = [view.catalog.items for view in (context.train, context.test)]
    items = pd.concat([table.reindex(columns=[COLUMN]) for table in tables])
    return items[~items.index.duplicated()]


def _captions(context: ScoreContext) -> dict[str, str]:
    """Item id => caption, for the items of both views that have one."""

    def read() -> dict[str, str]:
        texts = _items(context)[COLUMN].dropna().astype(str).str.strip()
        return {str(item): text for item, text in texts.items() if text}

    return context.memo("captions of the catalogue", read)
