"""MICRO (Zhang et al., TKDE 2022): the ranker of paper 002, which sees items as neighbours.

Files: `config`, `graph` (nearest neighbours and their change by one item), `network` (what is
trained), `training`, `model` (scores and substitutions).
"""

from persongen_bench.rankers.micro.config import MicroConfig as MicroConfig
from persongen_bench.rankers.micro.model import Micro as Micro
