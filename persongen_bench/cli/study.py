"""`pgbench study new | serve | take | ratings | withdraw`: parses, calls, says what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.cli.study_analysis import study_analysis_app
from persongen_bench.util.printed import say

study_app = typer.Typer(no_args_is_help=True, help="Studies in which people judge pictures.")
study_app.add_typer(study_analysis_app)
Study = Annotated[Path, typer.Argument(help="Folder of the study.")]
Method = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", help="Only these methods or labels (patterns); repeatable."),
]
FirstPerson = Annotated[
    bool,
    typer.Option(
        "--first-person/--third-person",
        help="Participants judge what was made for themselves, or for somebody else.",
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Of the design; keep it secret. [default: drawn]")
]
Rehearsal = Annotated[
    bool, typer.Option(help="Let simulated participants (?simulate=...) send answers.")
]


@study_app.command()
def new(
    out: Annotated[Path, typer.Option("--out", help="New folder of the study.")],
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run directories, or folders of them.")
    ] = None,
    method: Method = None,
    folder: Annotated[
        Path | None, typer.Option(help="METHOD/USER/* in place of runs; liked in history/USER/*.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(help="Folder of pictures to ask likes of. [default: the data's]")
    ] = None,
    preset: Annotated[str, typer.Option(help="pairs, ragar-rank or pigeon-binary.")] = "pairs",
    first_person: FirstPerson = True,
    participants: Annotated[
        int | None, typer.Option(min=1, help="How many. [default: all users; of others 24]")
    ] = None,
    pairs_per_person: Annotated[
        int | None,
        typer.Option(min=1, help="Judgements of every question. [default: 40; of papers 50]"),
    ] = None,
    elicit: Annotated[
        int | None,
        typer.Option(min=0, help="Pictures to ask likes of. [default: 20; of third persons 0]"),
    ] = None,
    elicit_only: Annotated[bool, typer.Option(help="Ask for likes and for nothing else.")] = False,
    seed: Seed = None,
    title: Annotated[str | None, typer.Option(help="What participants read first.")] = None,
    consent: Annotated[
        Path | None, typer.Option(help="Text that participants agree to. [default: ours]")
    ] = None,
    post_to: Annotated[
        str, typer.Option(help="Where answers are sent; empty: participants download them.")
    ] = "answers",
    completion: Annotated[str, typer.Option(help="Address shown to who is done.")] = "",
    rehearsal: Rehearsal = False,
    codes: Annotated[
        Path | None, typer.Option(help="Earlier study whose people take part, by their codes.")
    ] = None,
    data: options.Data = None,
) -> None:
    """Make a study of what methods made: a folder with a page, and a private key."""
    from persongen_bench.api.study import Shown, new_study, study_plan
    from persongen_bench.util.progress import bars

    said = {
        "preset": preset, "person": "first" if first_person else "third", "seed": seed,
        "participants": participants, "pairs_per_person": pairs_per_person, "elicit": elicit,
        "title": title, "post_to": post_to, "completion": completion, "rehearsal": rehearsal,
    }  # fmt: skip
    plan = study_plan(said, consent)
    shown = Shown(tuple(runs or ()), folder, items, data, tuple(method or ()), elicit_only)
    with bars() as progress:
        made = new_study(shown, plan, out, codes, progress)
    sessions = made.study.sessions
    say(f"{out}: {len(sessions)} participants, {len(sessions[0].trials)} questions each.")
    say(f"Their codes: {made.codes_file}. Keep {made.private} to yourself; the rest is public.")


@study_app.command()
def serve(
    study: Study,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    behind_proxy: Annotated[
        bool, typer.Option(help="Believe a proxy on this machine whose request it passes on.")
    ] = False,
    hand_out: Annotated[
        bool, typer.Option(help="Give codes to who comes from Prolific; not in the first person.")
    ] = False,
    address: Annotated[
        str, typer.Option(help="Where participants find it, e.g. https://study.example.")
    ] = "",
) -> None:
    """Serve a study and keep the answers, until Ctrl-C."""
    from persongen_bench.api.study import Serving, recruiting_link, serve_study

    def ready(local: str) -> None:
        public = f"{address.rstrip('/')}/" if address else local
        say(f"Serving on {local} (participants: {public}#CODE). Stop with Ctrl-C.")
        if hand_out:
            say(f"Codes are handed out, for Prolific: {recruiting_link(study, public)}")

    serve_study(study, host, port, ready, Serving(behind_proxy, hand_out, address))
    say("Stopped; every acknowledged answer is kept.")


@study_app.command()
def take(
    study: Study,
    files: Annotated[list[Path], typer.Argument(help="Answers that participants downloaded.")],
) -> None:
    """Take in answers that participants sent as files."""
    from persongen_bench.api.study import take as taken

    say(str(taken(study, files)))


@study_app.command()
def ratings(
    study: Study,
    out: Annotated[Path, typer.Option("--out", help="New folder of a data set.")],
) -> None:
    """Write the likes of participants as a data set, for `pgbench run --dataset folder`."""
    from persongen_bench.api.study import write_ratings

    say(f"{out}: {write_ratings(study, out)} ratings.")


@study_app.command()
def withdraw(
    study: Study, code: Annotated[str, typer.Argument(help="Code of the participant.")]
) -> None:
    """Delete every answer of a participant, and admit the code no more."""
    from persongen_bench.api.study import withdraw as withdrawn

    say(f"{withdrawn(study, code)} answers deleted; the code is not admitted any more.")
