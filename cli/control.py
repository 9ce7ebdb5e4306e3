"""`normlab cancel|pause|resume|retry|rm`: acting on runs, jobs and studies."""

from typing import Annotated

import typer

from cli.output import console, counts_text, print_json, status_text
from cli.places import Place, connect, locate

What = Annotated[list[str], typer.Argument(help="Ids of runs, jobs or studies, or a study's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print the records as JSON.")]


def cancel(what: What, as_json: Json = False) -> None:
    """End runs; a running one stops at its next step and keeps its last checkpoint."""
    _act("cancel", what, as_json=as_json)


def pause(what: What, as_json: Json = False) -> None:
    """Let runs save a checkpoint and wait until they are resumed."""
    _act("pause", what, as_json=as_json)


def resume(what: What, as_json: Json = False) -> None:
    """Put paused runs back into the queue."""
    _act("resume", what, as_json=as_json)


def retry(what: What, as_json: Json = False) -> None:
    """Run failed or cancelled seeds anew; the old runs stay."""
    _act("retry", what, as_json=as_json)


def rm(
    what: What,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ids of what was deleted as JSON.")] = False,
) -> None:
    """Delete finished jobs or studies with their metrics and checkpoints."""
    client = connect()
    places = [locate(client, item, kinds=("job", "study")) for item in what]
    if not yes:
        ids = ", ".join(place.id for place in places)
        typer.confirm(f"Delete {ids} with all metrics and checkpoints?", abort=True, err=True)
    for place in places:
        client.delete(place.path)
        if not as_json:
            console.print(f"Deleted {place.id}.")
    if as_json:
        print_json([{"id": place.id, "deleted": True} for place in places])


def _act(action: str, what: list[str], *, as_json: bool) -> None:
    client = connect()
    answers = []
    for place in [locate(client, item) for item in what]:
        answer = client.post(f"{place.path}/{action}")
        answers.append(answer)
        if not as_json:
            _show(place, answer)
    if as_json:
        print_json(answers)


def _show(place: Place, answer: dict[str, object]) -> None:
    counts = answer.get("counts")
    text = counts_text(counts) if isinstance(counts, dict) else status_text(answer)
    console.print(f"{answer.get('id', place.id)}: ", text, sep="", soft_wrap=True)
