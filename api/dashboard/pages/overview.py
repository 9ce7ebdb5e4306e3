"""The overview at `/`: what runs, who works, the newest studies, the best so far, what failed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api.context import CurrentCatalog, CurrentDatabase, CurrentSettings
from api.dashboard.comparison_table import Estimate, estimate_of
from api.dashboard.evidence import Evidence, challenge, evidence_of
from api.dashboard.matrix import slots_of
from api.dashboard.pages.parts import heartbeat_limits, study_card, who_acts, words_of_runs, worker_names, worker_row
from api.dashboard.palette import Slot
from api.dashboard.render import page
from api.dashboard.whisker import Scale, scale_of
from domain.catalog import Catalog
from domain.findings import Comparison, Difference, Group
from domain.numbers import decimals_for, half_words, number
from domain.run import Run, RunStatus
from domain.store import jobs, runs, studies, workers
from domain.study import Study, parse_study

router = APIRouter(include_in_schema=False)

DEMO = Path(__file__).parents[3] / "studies" / "demo.yaml"
CARDS = 4
ACTIVE = 7
FAILURES = 5
LEADERS = 5


@dataclass(frozen=True)
class Leader:
    """The best variant of one setting, and the next beside it."""

    study: Study
    setting: str
    stratum: str
    best: Group
    best_slot: Slot
    mean: str
    half: str | None
    unit: str
    next: Group | None
    next_slot: Slot | None
    estimate: Estimate | None
    verdict: str | None


@router.get("/")
def overview(
    request: Request, database: CurrentDatabase, catalog: CurrentCatalog, settings: CurrentSettings
) -> Response:
    now = datetime.now(UTC)
    with database.read() as c:
        newest = studies.page(c, limit=CARDS)
        known = [(study, evidence_of(c, study, catalog)) for study in newest.data]
        active = _active(c)
        failed = runs.page(c, status=[RunStatus.FAILED], limit=FAILURES).data
        words = _run_words(c, [*active, *failed])
        depths = runs.queue_depths(c)
        serving = workers.page(c, live=True, limit=8).data
        held = words_of_runs(c, serving)
        values: dict[str, Any] = {
            "counts": runs.counts(c),
            "names": worker_names(c),
            "waiting": [(queue, depth["queued"]) for queue, depth in depths.items() if depth["queued"]],
            "workers": [worker_row(worker, now, held, depths) for worker in serving],
        }
    return page(
        request,
        "overview.html",
        here="Overview",
        stream="/v1/events",
        studies=[study_card(study, evidence) for study, evidence in known],
        active=[(run, *words[run.id]) for run in active],
        failures=[(run, ", ".join(words[run.id]), who_acts(run)) for run in failed],
        leaders=_leaders(known, catalog),
        demo=_demo(catalog) if not newest.data else None,
        **heartbeat_limits(settings),
        **values,
    )


def _active(c: Connection) -> list[Run]:
    """Running runs first, then paused, then the next in the queue."""
    found: list[Run] = []
    for status in (RunStatus.RUNNING, RunStatus.PAUSED):
        found += runs.page(c, status=[status], limit=ACTIVE).data
    return [*found, *runs.upcoming(c, limit=ACTIVE)][:ACTIVE]


def _run_words(c: Connection, listed: Sequence[Run]) -> dict[str, tuple[str, str]]:
    """For each run, where it belongs and what it is: its study's name and its cell, or its job's label."""
    known = {job_id: jobs.get(c, job_id) for job_id in {run.job_id for run in listed}}
    names = studies.names(c, {run.study_id for run in listed if run.study_id})
    return {
        run.id: (names[run.study_id], known[run.job_id].label)
        if run.study_id
        else (known[run.job_id].label, f"seed {run.seed}")
        for run in listed
    }


def _leaders(known: Sequence[tuple[Study, Evidence]], catalog: Catalog) -> list[Leader]:
    """For each setting of the newest studies, the best variant and what comes next, all on one scale."""
    chosen = [
        (study, evidence, *ranked)
        for study, evidence in known
        for stratum in _telling(evidence.comparison.strata, len(known))
        if (ranked := _best_two(evidence.comparison, stratum))
    ][:LEADERS]
    contested = [
        challenge(evidence, best, following, catalog) if following else None for _, evidence, best, following in chosen
    ]
    scale = scale_of((d.mean, d.low, d.high) for d in contested if d and d.mean is not None)
    return [
        _leader(study, evidence, best, following, difference, scale)
        for (study, evidence, best, following), difference in zip(chosen, contested, strict=True)
    ]


def _telling(strata: Sequence[str], studies_shown: int) -> Sequence[str]:
    """All settings of a lone study; of each of several, the two ends of its axis."""
    return strata if studies_shown == 1 or len(strata) <= 2 else [strata[0], strata[-1]]


def _best_two(comparison: Comparison, stratum: str) -> tuple[Group, Group | None] | None:
    ranked = [group for group in comparison.groups if group.stratum == stratum and group.mean is not None]
    return (ranked[0], ranked[1] if len(ranked) > 1 else None) if ranked else None


def _leader(
    study: Study,
    evidence: Evidence,
    best: Group,
    following: Group | None,
    difference: Difference | None,
    scale: Scale,
) -> Leader:
    slots = slots_of(evidence)
    places = decimals_for(best.half_width, best.mean)
    return Leader(
        study=study,
        setting=", ".join(part for part in (study.name, best.stratum) if part),
        stratum=best.stratum,
        best=best,
        best_slot=slots[best.variant],
        mean=number(best.mean, places),
        half=half_words(best.half_width, best.n, places),
        unit=evidence.comparison.unit,
        next=following,
        next_slot=slots[following.variant] if following else None,
        estimate=estimate_of(difference, scale) if difference else None,
        verdict=difference.verdict if difference else None,
    )


def _demo(catalog: Catalog) -> dict[str, Any]:
    """The demo study as the empty page offers it."""
    raw = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    study, cells = parse_study(raw, catalog)
    kinds = [str(choice["kind"]) for choice in study.vary["normalization"]]
    return {
        "body": json.dumps(raw),
        "runs": len(cells) * len(study.seeds),
        "variants": f"{len(kinds)} normalizations",
        "rows": kinds,
        "columns": study.vary["training.batch_size"],
    }
