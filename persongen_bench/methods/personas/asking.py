"""How a language model is asked for a persona, and how its answer is read.

Paper: "a per-user textual persona from LLaVA-generated captions/tags, including short descriptions
plus positive/negative keyword sets" (REBECA, 001, sec. 4.3.1), which Algorithm 1 reads (app. G.3).
It prints no instruction for this; the words are our own.
"""

from __future__ import annotations

from collections.abc import Iterable

from persongen_bench.core.types import Description
from persongen_bench.methods.personas.config import PersonaConfig
from persongen_bench.methods.personas.keywords import Persona, cut
from persongen_bench.util.judging.replies import ReplyError
from persongen_bench.util.repaired_replies import items_of, object_of, text_of

TEXT, POSITIVE, NEGATIVE = "persona", "positive", "negative"
LONGEST = 60
"""Characters of a keyword; longer ones are sentences and are left out."""


def persona_request(
    liked: Iterable[Description], disliked: Iterable[Description], config: PersonaConfig
) -> str:
    """One line a picture, + for a liked and - for a disliked one; then what is asked."""
    lines = [f"+ {line(one)}" for one in liked] + [f"- {line(one)}" for one in disliked]
    return "\n".join((*lines, instruction(config)))


def line(said: Description) -> str:
    """A description on one line: its sentence and its lists, or its tags where nobody sorted them.

    Lists without an item are left out.
    """
    lists = {
        "objects": said.objects, "attributes": said.attributes, "styles": said.styles,
        "colors": said.colours,
    }  # fmt: skip
    named = lists if said.structured else {"tags": said.tags}
    parts = [f"{name}: {', '.join(items)}" for name, items in named.items() if items]
    return "; ".join((said.caption, *parts))


def instruction(config: PersonaConfig) -> str:
    """What stands behind the pictures."""
    most = f"a list of at most {config.n_keywords} keywords"
    return (
        "Each line is a picture that one person rated: + liked, - disliked. Describe this person's "
        "taste. Answer with one JSON object and nothing else. Its fields are: "
        f'"{TEXT}", a text of at most {config.max_persona_characters} characters that describes '
        f'pictures the person likes; "{POSITIVE}", {most} of what the person likes; '
        f'"{NEGATIVE}", {most} of what the person dislikes. Write keywords in lower case, of one '
        "or two words, the most telling first, none in both lists, and never null."
    )


def read_persona(text: str, config: PersonaConfig) -> Persona:
    """The persona in a reply that is what was asked for.

    The text is cut to what was asked for, as every persona's (`keywords.cut`). Keywords are in
    lower case with plain blanks, each once; one in both lists says nothing and is left out of both.

    Raises:
        ReplyError: for anything but a JSON object with the text and the two lists of texts, of
            which the positive one has a keyword.
    """
    said = object_of(text, (TEXT, POSITIVE, NEGATIVE))
    words = text_of(TEXT, said[TEXT])
    likes, dislikes = (items_of(name, said[name], LONGEST) for name in (POSITIVE, NEGATIVE))
    positive = tuple(word for word in likes if word not in dislikes)[: config.n_keywords]
    negative = tuple(word for word in dislikes if word not in likes)[: config.n_keywords]
    if not positive:
        raise ReplyError("no keywords", "the person likes nothing, or what is disliked too")
    return Persona(cut(words, config.max_persona_characters), positive, negative)
