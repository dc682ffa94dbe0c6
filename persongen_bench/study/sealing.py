"""Drafts become a study and its key: every picture, trial and participant gets a secret name.

Names are keyed hashes under a secret that is drawn for the study and forgotten: they say nothing
of what they name, and two studies of one seed share none. A picture that a participant judges again
has another name each time, and another one where it is shown above: equal names tell no copy and no
repeat.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from persongen_bench.core.types import content_hash
from persongen_bench.study import plan as plans
from persongen_bench.study import records
from persongen_bench.study.drafts import Draft, Session
from persongen_bench.study.folder import code_hash
from persongen_bench.study.material import Material
from persongen_bench.study.plan import Plan
from persongen_bench.study.records import Key, Study, Trial, Truth

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look like others."""
CODE = 16
"""Letters of a participant's code: 79 bits."""


@dataclass(frozen=True)
class Sealed:
    """A study that is ready to be written."""

    study: Study
    key: Key
    codes: Mapping[str, str]
    """Code => the user whom the participant is."""
    media: Mapping[str, str]
    """Code of a picture => its key in the material."""


@dataclass(frozen=True)
class _Names:
    """The secret names of one study."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def of(self, kind: str, *what: object) -> str:
        """16 hex digits behind a letter."""
        said = "\0".join([kind, *map(str, what)]).encode()
        return kind + hmac.new(self.secret, said, "sha256").hexdigest()[:16]


@dataclass
class _Pictures:
    """The names of a participant's pictures."""

    names: _Names
    media: dict[str, str]
    """Name => key, of all participants; is added to."""
    seen: Counter[str] = field(default_factory=Counter)

    def judged(self, key: str) -> str:
        """Of a picture that is asked about, each time another."""
        self.seen[key] += 1
        return self._named(key, self.seen[key])

    def above(self, key: str) -> str:
        """Of one that is shown above, always the same."""
        return self._named(key, 0)

    def _named(self, key: str, use: int) -> str:
        name = self.names.of("m", use, key)
        self.media[name] = key
        return name


def new_code() -> str:
    """A participant's code."""
    return "".join(secrets.choice(_LETTERS) for _ in range(CODE))


def person_of(code: str) -> str:
    """What a participant who is nobody's user is called in data: it does not tell the code."""
    return f"p-{code_hash(f'person {code}')[:12]}"


def seal(
    material: Material, plan: Plan, sessions: Sequence[Session], known: Mapping[str, str]
) -> Sealed:
    """Name everything.

    Args:
        material: where the pictures are.
        plan: what was planned.
        sessions: of `design`.
        known: user => code, of participants who have one from an earlier study.
    """
    names = _Names()
    trials: dict[str, tuple[Trial, ...]] = {}
    codes, truths, media = {}, [], dict[str, str]()
    for number, session in enumerate(sessions):
        code = known.get(session.user) or new_code()
        codes[code] = session.user or person_of(code)
        ids = [names.of("t", number, place) for place in range(len(session.drafts))]
        drafts = [_owned(draft, codes[code]) for draft in session.drafts]
        pairs = list(zip(ids, drafts, strict=True))
        pictures = _Pictures(names, media)
        trials[code_hash(code)] = tuple(_trial(one, draft, pictures) for one, draft in pairs)
        truths += [_truth(one, draft, ids) for one, draft in pairs]
    study = _study(plan, material, trials)
    key = Key(
        study=study.id, seed=plan.seed, methods=material.methods, runs=material.runs,
        truths=tuple(sorted(truths, key=lambda truth: truth.trial)), exclusions=plan.exclusions,
    )  # fmt: skip
    return Sealed(study, key, dict(sorted(codes.items())), dict(sorted(media.items())))


def _owned(draft: Draft, user: str) -> Draft:
    """An elicitation is of the person who is asked."""
    return replace(draft, user=user) if draft.role == "elicit" else draft


def _trial(name: str, draft: Draft, named: _Pictures) -> Trial:
    pictures = tuple(map(named.judged, draft.pictures))
    shown = tuple(map(named.above, draft.shown))
    return Trial(id=name, kind=draft.kind, question=draft.question, pictures=pictures, shown=shown)


def _truth(name: str, draft: Draft, ids: Sequence[str]) -> Truth:
    return Truth(
        trial=name, user=draft.user, methods=draft.methods, samples=draft.samples,
        request=draft.request, question=draft.question, role=draft.role,
        repeats="" if draft.repeats is None else ids[draft.repeats], right=draft.right,
    )  # fmt: skip


def _study(plan: Plan, material: Material, trials: Mapping[str, tuple[Trial, ...]]) -> Study:
    sessions = tuple(
        records.Session(code=code, trials=asked) for code, asked in sorted(trials.items())
    )
    asked = {trial.question for session in sessions for trial in session.trials}
    return Study(
        id=content_hash([session.model_dump(mode="json") for session in sessions]),
        title=plan.title,
        preset=plan.preset,
        person=plan.person,
        consent=plan.consent or plans.CONSENT,
        instructions=plans.instructions(
            plan, elicits=plan.elicited > 0, judges=bool(material.cases)
        ),
        questions={
            name: text
            for name, text in plan.questions.items()
            if name in asked or name.partition("/")[0] in asked
        },
        choices=plan.choices,
        post_to=plan.post_to,
        completion=plan.completion,
        rehearsal=plan.rehearsal,
        rules=records.rules_hash(plan.exclusions),
        sessions=sessions,
    )
