"""Does the analysis of a study find what is true? Simulated people whose taste is known.

Run ``OMP_NUM_THREADS=1 python benchmarks/study_coverage.py`` (a minute of one core). A study
is 24 people drawn from 400 of tasteworld's, each of whom judges 40 pairs of four methods of known
order (`simulated.PICKED`), 4 repeats and 6 catch trials. What is true is what
all 400 would say in the long run.

- Coverage: how often the 95% intervals of 200 studies hold the truth: differences of strengths, by
  three rules (jackknife over people, sandwich over people, percentile bootstrap over people) and as
  if answers were independent; win rates; head-to-head shares. The same with 8 people.
- Order: how often the methods come in the true order, and how often a significant difference
  contradicts it.
- Careless people: of 200 studies with 6 careless people among 24, how many of them and of the
  careful ones are excluded, and how far win rates are off with and without the exclusions.
- Power: `stats.choice_power` against the share of 4,000 simulated studies of two methods in which
  the test finds the difference. The target is 3 points. And against how often p values of whole
  analyses are significant, whose studies are few.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
from jaxtyping import Float

from persongen_bench.core.later import special
from persongen_bench.stats.bradley_terry import bradley_terry, people_strengths
from persongen_bench.stats.choice_power import Asked, found, power
from persongen_bench.study.analysis.estimates import estimate
from persongen_bench.study.analysis.judgements import Judgements, judgements
from persongen_bench.study.analysis.results import Estimate
from persongen_bench.study.analysis.screening import Screened, screen
from persongen_bench.study.attacked import attacked
from persongen_bench.study.looking import Behaviour, Eyes, answered, looked
from persongen_bench.study.simulated import PICKED, Design, picked, simulated_study
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

NAMES = tuple(PICKED)
POPULATION, LONG_RUN, RESAMPLES = 400, 600, 400
CARELESS: tuple[Behaviour, ...] = ("random", "random", "left", "fast", "ties", "quits")
Counts = Float[np.ndarray, "people methods methods"]


def long_run(people: People, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Wins and ties of everybody, `LONG_RUN` answers to every pair of methods."""
    m, who = len(NAMES), np.repeat(np.arange(len(people)), LONG_RUN)
    wins, ties = np.zeros((len(people), m, m)), np.zeros((len(people), m, m))
    for i, j in combinations(range(m), 2):
        scenes = [picked(people, who, NAMES[k], rng) for k in (i, j)]
        worth = np.stack([people.final[who, scene] for scene in scenes], axis=1)
        eyes = Eyes()
        said = looked(worth + eyes.noise * rng.standard_normal(worth.shape), eyes)
        counts = [(said == what).reshape(len(people), -1).mean(axis=1) for what in range(3)]
        wins[:, i, j], wins[:, j, i] = counts[0], counts[1]
        ties[:, i, j] = ties[:, j, i] = counts[2]
    return wins, ties


def study(
    people: People, n: int, rng: np.random.Generator, behaviours: Sequence[Behaviour] = ()
) -> Screened:
    """One simulated study, screened."""
    made = simulated_study(people, rng.integers(0, len(people), n), rng, Design())
    answers = answered(made, made.worth(people), rng, behaviours)
    return screen(made.study, made.key, attacked(answers, rng) if behaviours else answers)


def margins(said: Judgements, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Low and high ends of the differences of strengths, ``(2, methods, methods)``, by rule."""
    wins, ties, n = said.wins, said.ties, len(said.wins)
    strengths = people_strengths(wins, ties)
    gaps = strengths.differences
    found = {"jackknife over people": strengths.margins}
    # One Newton step without each person is linear: its spread is the sandwich's.
    total = wins.sum(axis=0), ties.sum(axis=0)
    small = 1e-4
    nudged, _ = bradley_terry(total[0] - small * wins, total[1] - small * ties)
    influence = (nudged - strengths.strengths) / small
    spread = influence[:, :, None] - influence[:, None, :]
    t = float(special.stdtrit(n - 1, 0.975))
    found["sandwich over people"] = t * np.sqrt((spread**2).sum(axis=0) * n / (n - 1))
    weights = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)
    resampled = [np.tensordot(weights, part, 1) for part in (wins, ties)]
    drawn, _ = bradley_terry(resampled[0], resampled[1])
    apart = drawn[:, :, None] - drawn[:, None, :]
    ends = {rule: np.stack([gaps - half, gaps + half]) for rule, half in found.items()}
    ends["bootstrap over people"] = np.quantile(apart, [0.025, 0.975], axis=0)
    ends["as if answers were independent"] = _naive(total, rng)
    return ends


def _naive(total: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Bootstrap over answers, whoever gave them."""
    wins, ties = total
    m = len(wins)
    won, tied = np.zeros((RESAMPLES, m, m)), np.zeros((RESAMPLES, m, m))
    for i, j in combinations(range(m), 2):
        counts = np.array([wins[i, j], wins[j, i], ties[i, j]])
        drawn = rng.multinomial(int(counts.sum()), counts / counts.sum(), RESAMPLES)
        won[:, i, j], won[:, j, i] = drawn[:, 0], drawn[:, 1]
        tied[:, i, j] = tied[:, j, i] = drawn[:, 2]
    strengths, _ = bradley_terry(won, tied)
    apart = strengths[:, :, None] - strengths[:, None, :]
    return np.asarray(np.quantile(apart, [0.025, 0.975], axis=0))


def holds(interval: Estimate, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return (
        interval.low is not None
        and interval.high is not None
        and interval.low <= truth <= interval.high
    )


def coverage(people: People, n: int, n_studies: int, rng: np.random.Generator) -> None:
    """Print how often intervals hold the truth, and how often the order is right."""
    wins, ties = long_run(people, rng)
    compared = wins + wins.swapaxes(1, 2) + ties
    rates = ((wins.sum(2) + ties.sum(2) / 2) / compared.sum(2)).mean(axis=0)
    shares = ((wins + ties / 2) / np.maximum(compared, 1e-12)).mean(axis=0)
    true, _ = bradley_terry(wins.mean(axis=0), ties.mean(axis=0), prior=0)
    gaps = np.subtract.outer(true, true)
    order = [NAMES[k] for k in np.argsort(-true)]
    upper = np.triu_indices(len(NAMES), 1)
    covered: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    tests: dict[tuple[int, int], list[bool]] = {}
    asked: dict[tuple[int, int], list[float]] = {}
    right = wrong = 0
    for _ in range(n_studies):
        screened = study(people, n, rng)
        said = judgements(screened, screened.kept, "taste")
        for rule, (low, high) in margins(said, rng).items():
            covered.setdefault(rule, []).extend(((low <= gaps) & (gaps <= high))[upper])
            widths.setdefault(rule, []).extend((high - low)[upper])
        found = estimate(screened, screened.kept, "taste")
        for method in found.methods:
            truth = float(rates[NAMES.index(method.method)])
            covered.setdefault("win rate", []).append(holds(method.win_rate, truth))
        for pair in found.pairs:
            i, j = NAMES.index(pair.first), NAMES.index(pair.second)
            covered.setdefault("head to head", []).append(holds(pair.share, float(shares[i, j])))
            tests.setdefault((i, j), []).append(pair.p_value is not None and pair.p_value <= 0.05)
            asked.setdefault((i, j), []).append(pair.n_answers / found.n_people)
            significant = pair.p_holm is not None and pair.p_holm <= 0.05
            wrong += significant and ((pair.share.mean or 0) > 0.5) != (shares[i, j] > 0.5)
        right += [method.method for method in found.methods] == order
    said_rates = ", ".join(f"{name} {rate:.3f}" for name, rate in zip(NAMES, rates, strict=True))
    print(f"\n{n_studies} studies of {n} people; true win rates {said_rates}")
    for rule, held in covered.items():
        width = f", mean width {np.mean(widths[rule]):.3f}" if rule in widths else ""
        print(f"  {rule:32} {np.mean(held):.3f} of {len(held)}{width}")
    print(f"  true order {right / n_studies:.3f}; significant and wrong {wrong}")
    for (i, j), ends in tests.items():
        terms, share = terms_of(wins, ties, (i, j), round(np.mean(asked[i, j])))
        table = power(terms, share, n)
        print(
            f"  win share {share:.3f}, {terms.pairs} pairs: significant in {np.mean(ends):.3f}, "
            f"table {table:.3f}"
        )


def terms_of(
    wins: Counts, ties: Counts, methods: tuple[int, int], pairs: int
) -> tuple[Asked, float]:
    """What a table of power needs of two methods, and the win share of the first."""
    i, j = methods
    whole = wins[:, i, j] + wins[:, j, i] + ties[:, i, j]
    tied = ties[:, i, j] / whole
    share = wins[:, i, j] / whole + tied / 2
    noise = float((share * (1 - share) - tied / 4).mean()) / LONG_RUN
    between = math.sqrt(max(share.var() - noise, 0))
    return Asked(pairs=pairs, ties=float(tied.mean()), between=between), float(share.mean())


def careless(people: People, n_studies: int, rng: np.random.Generator) -> None:
    """Print who is excluded, and what exclusion does to win rates."""
    wins, ties = long_run(people, rng)
    compared = (wins + wins.swapaxes(1, 2) + ties).sum(2)
    rates = ((wins.sum(2) + ties.sum(2) / 2) / compared).mean(axis=0)
    how: str
    out: dict[str, list[bool]] = {}
    off: dict[str, list[float]] = {"kept": [], "everybody": []}
    for _ in range(n_studies):
        screened = study(people, 24, rng, CARELESS)
        for person in screened.participants:
            careless = person.number <= len(CARELESS)
            how = CARELESS[person.number - 1] if careless else "careful"
            out.setdefault(how, []).append(bool(person.excluded))
        for name, who in (("kept", screened.kept), ("everybody", screened.everybody)):
            off[name].extend(np.nanmean(judgements(screened, who, "taste").win_rates, 0) - rates)
    print(f"\n{n_studies} studies of 18 careful and 6 careless people, flooded with forged answers")
    for how, excluded in out.items():
        print(f"  excluded of {how:10} {np.mean(excluded):.3f} of {len(excluded)}")
    for name, errors in off.items():
        print(f"  win rates off by {np.sqrt(np.mean(np.square(errors))):.4f} (rms) with {name}")


def powers(people: People, n_studies: int, rng: np.random.Generator) -> None:
    """Print the power of the table against that of simulated people, and the largest difference."""
    wins, ties = long_run(people, rng)
    apart = []
    print(f"\npower, of {n_studies} studies of two methods each")
    for i, j in combinations(range(len(NAMES)), 2):
        whole = wins[:, i, j] + wins[:, j, i] + ties[:, i, j]
        first, tied = wins[:, i, j] / whole, ties[:, i, j] / whole
        for pairs, n in product((6, 20), (12, 24, 48)):
            who = rng.integers(0, len(people), (n_studies, n))
            kinds = np.stack([first[who], tied[who], 1 - first[who] - tied[who]], axis=-1)
            counts = rng.multinomial(pairs, np.clip(kinds, 0, 1))
            simulated = found((counts[..., 0] + counts[..., 1] / 2) / pairs, 0.05)
            asked, mean = terms_of(wins, ties, (i, j), pairs)
            table = power(asked, mean, n, n_studies=n_studies)
            apart.append(abs(table - simulated))
            print(
                f"  win share {mean:.3f}, between {asked.between:.3f}, ties {tied.mean():.2f}, "
                f"{pairs:2} pairs, {n} people: table {table:.3f}, simulated {simulated:.3f}"
            )
    print(f"  largest difference {max(apart):.3f} of {len(apart)}")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--power-studies", type=int, default=4000)
    parser.add_argument("--people", type=int, default=POPULATION)
    given = parser.parse_args()
    people = People.draw(PeopleConfig(seed=11), given.people)
    begun = time.process_time()
    for n in (24, 8):
        coverage(people, n, given.studies, np.random.default_rng([1, n]))
    careless(people, given.studies, np.random.default_rng(2))
    powers(people, given.power_studies, np.random.default_rng(3))
    print(f"\n{time.process_time() - begun:.0f} s of the processor")


if __name__ == "__main__":
    main()
