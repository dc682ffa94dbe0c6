"""From rated images to words: what a user likes, as a prompt (REBECA, 001, app. F and G.3).

`config` options · `opinions` whose ratings count · `descriptions` images to tags, each once ·
`keywords` tags to smoothed log-odds · `prompts` personas and the prompt builder of Algorithm 1.

The released code lets a language model write the persona and falls back to the log-odds; here the
log-odds are the method. `PersonaPrompts` takes personas from anybody: once stacks have the role
``llm``, a writer needs to return `Persona` values and nothing else changes.
"""

from persongen_bench.methods.personas.config import PersonaConfig
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.personas.keywords import Persona, write_persona
from persongen_bench.methods.personas.opinions import Opinions, opinions
from persongen_bench.methods.personas.prompts import PersonaPrompts, personas_of

__all__ = [
    "DescriptionBook",
    "Opinions",
    "Persona",
    "PersonaConfig",
    "PersonaPrompts",
    "opinions",
    "personas_of",
    "write_persona",
]
