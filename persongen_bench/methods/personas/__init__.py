"""From rated images to words: what a user likes, as a prompt (REBECA, 001, app. F and G.3).

`config` options · `opinions` whose ratings count · `descriptions` images to tags, each once ·
`keywords` tags to smoothed log-odds · `asking` a language model for a persona, and its answer ·
`writers` who writes it, and how often the language model could not · `prompts` personas and the
prompt builder of Algorithm 1.
"""

from persongen_bench.methods.personas.config import PersonaConfig
from persongen_bench.methods.personas.descriptions import DescriptionBook, picture_reader
from persongen_bench.methods.personas.keywords import Persona, write_persona
from persongen_bench.methods.personas.opinions import Opinions, opinions
from persongen_bench.methods.personas.prompts import PersonaPrompts, personas_of
from persongen_bench.methods.personas.writers import WritingRecord, written_by_llm

__all__ = [
    "DescriptionBook",
    "Opinions",
    "Persona",
    "PersonaConfig",
    "PersonaPrompts",
    "WritingRecord",
    "opinions",
    "personas_of",
    "picture_reader",
    "write_persona",
    "written_by_llm",
]
