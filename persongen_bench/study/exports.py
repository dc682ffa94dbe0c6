"""A study's trials for other tools: Label Studio and Potato.

Both get the public half alone: trials with meaningless names of pictures, nothing of the key. What
they save names the trial and, of a pair, ``first`` or ``second``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from xml.sax.saxutils import quoteattr

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.core.plain import json_text, plain
from persongen_bench.study.folder import StudyFolder
from persongen_bench.study.records import Choice, Study, Trial
from persongen_bench.util.files import write_atomic

Target = Literal["label-studio", "potato"]
LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files below ``LOCAL_FILES_DOCUMENT_ROOT``: the study's folder."""
SAID: dict[Choice, str] = {
    "first": "The first", "second": "The second", "tie": "Both equally", "both-bad": "Neither",
}  # fmt: skip
_KINDS = ("elicit", "pair", "rank")


def export_study(folder: StudyFolder, to: str, out: Path) -> list[Path]:
    """Write what another tool needs into a new folder; the files.

    Trials of different kinds and questions get files of their own, since a project of such a tool
    asks one thing.

    Raises:
        ConfigError: if there is no such tool, or ``out`` is there.
    """
    if to not in get_args(Target):
        known = get_args(Target)
        raise ConfigError(
            f"no export is called {to!r}", fix=near_miss(to, known, f"They are {', '.join(known)}.")
        )
    if out.exists():
        raise ConfigError(f"{out} is there already", fix="Name a new folder with --out.")
    write = _label_studio if to == "label-studio" else _potato
    written = []
    for name, trials in _projects(folder.study).items():
        for file, text in write(folder, name, trials).items():
            write_atomic(out / file, text.encode())
            written.append(out / file)
    return written


def _projects(study: Study) -> dict[str, list[tuple[int, Trial]]]:
    """Kind, question and number of pictures => number of the participant and trial."""
    found: dict[str, list[tuple[int, Trial]]] = {}
    for number, session in enumerate(study.sessions, 1):
        for trial in session.trials:
            shown = f"-above-{len(trial.shown)}" if trial.shown else ""
            name = f"{trial.kind}-{trial.question}-{len(trial.pictures)}{shown}"
            found.setdefault(name, []).append((number, trial))
    return dict(sorted(found.items(), key=lambda one: (_KINDS.index(one[1][0][1].kind), one[0])))


def _label_studio(
    folder: StudyFolder, name: str, trials: Sequence[tuple[int, Trial]]
) -> dict[str, str]:
    tasks = [
        {"data": _label_studio_data(trial) | {"participant": number, "trial": trial.id}}
        for number, trial in trials
    ]
    config = _label_studio_config(folder.study, trials[0][1])
    return {f"{name}.json": json_text(tasks), f"{name}.xml": config}


def _label_studio_data(trial: Trial) -> dict[str, Any]:
    data: dict[str, Any] = {
        f"above{k}": f"{LOCAL_FILES}{_file(code)}" for k, code in enumerate(trial.shown)
    }
    addresses = [f"{LOCAL_FILES}{_file(code)}" for code in trial.pictures]
    if trial.kind != "rank":
        return data | {f"picture{k}": address for k, address in enumerate(addresses)}
    items = [
        {"id": str(k), "html": f'<img src="{address}" alt="" style="max-width: 16em">'}
        for k, address in enumerate(addresses)
    ]
    return data | {"items": items}


def _label_studio_config(study: Study, trial: Trial) -> str:
    header = f"  <Header value={quoteattr(_asked(study, trial))} />"
    above = [f'    <Image name="above{k}" value="$above{k}" />' for k in range(len(trial.shown))]
    lines = ["<View>", *_side_by_side(above), header]
    if trial.kind == "rank":
        lines += [
            '  <List name="pictures" value="$items" />',
            '  <Ranker name="order" toName="pictures" />',
        ]
    else:
        n = len(trial.pictures)
        lines += _side_by_side(
            [f'    <Image name="picture{k}" value="$picture{k}" />' for k in range(n)]
        )
        answers = _answers(study, trial)
        lines += [
            '  <Choices name="answer" toName="picture0" choice="single" required="true">',
            *(
                f"    <Choice value={quoteattr(said)} alias={quoteattr(name)} />"
                for name, said in answers.items()
            ),
            "  </Choices>",
        ]
    return "\n".join([*lines, "</View>", ""])


def _side_by_side(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return ['  <View style="display: flex; gap: 1em">', *lines, "  </View>"]


def _potato(folder: StudyFolder, name: str, trials: Sequence[tuple[int, Trial]]) -> dict[str, str]:
    data = [
        {
            "id": f"{number}-{trial.id}",
            "trial": trial.id,
            "text": _asked(folder.study, trial),
            **{f"above{k}": _file(code) for k, code in enumerate(trial.shown)},
            **{f"picture{k}": _file(code) for k, code in enumerate(trial.pictures)},
        }
        for number, trial in trials
    ]
    lines = "".join(f"{json.dumps(line)}\n" for line in data)
    # JSON is YAML too.
    return {
        f"{name}.jsonl": lines,
        f"{name}.yaml": json_text(_potato_config(folder.study, name, trials[0][1])),
    }


def _potato_config(study: Study, name: str, trial: Trial) -> dict[str, Any]:
    pictures = [
        *(("above", k) for k in range(len(trial.shown))),
        *(("picture", k) for k in range(len(trial.pictures))),
    ]
    fields = [
        {"key": f"{kind}{k}", "type": "image", "label": str(k + 1) if kind == "picture" else ""}
        for kind, k in pictures
    ]
    return {
        "annotation_task_name": plain(study.title),
        "task_dir": ".",
        "output_annotation_dir": f"{name}-answers",
        "output_annotation_format": "jsonl",
        "data_files": [f"{name}.jsonl"],
        "item_properties": {"id_key": "id", "text_key": "text"},
        "instance_display": {"layout": {"direction": "horizontal"}, "fields": fields},
        "annotation_schemes": [_potato_scheme(study, trial)],
        "user_config": {"allow_all_users": True, "users": []},
    }


def _potato_scheme(study: Study, trial: Trial) -> dict[str, Any]:
    about = {"name": trial.question, "description": _asked(study, trial)}
    required = {"label_requirement": {"required": True}}
    if trial.kind == "rank":
        labels = [str(k + 1) for k in range(len(trial.pictures))]
        return {"annotation_type": "ranking", "labels": labels, **about, **required}
    choices = [{"name": name, "tooltip": said} for name, said in _answers(study, trial).items()]
    return {"annotation_type": "radio", "labels": choices, **about, **required}


def _answers(study: Study, trial: Trial) -> dict[str, str]:
    """What may be answered, and how it is put."""
    if trial.kind == "elicit":
        return {"like": "like", "dislike": "dislike"}
    return {choice: SAID[choice] for choice in study.choices}


def _asked(study: Study, trial: Trial) -> str:
    return plain(study.questions.get(trial.question, trial.question))


def _file(code: str) -> str:
    return f"media/{code}.png"
