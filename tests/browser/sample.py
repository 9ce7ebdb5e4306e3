"""An installation with something of everything, for pictures and page tests: invented curves, real store."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from domain.artifact import GENERATORS, OPTIMIZER, STATE, WEIGHTS
from domain.catalog import load_catalog
from domain.database import Database
from domain.event import EventKind, Level
from domain.job import parse_job
from domain.question import Question
from domain.report import Ending, LogLine, Note, Point, Report, SavedCheckpoint
from domain.run import Action, Claim, Outcome, Phase, Reason, Responsible
from domain.store import comparisons, jobs, runs, studies, workers
from domain.study import parse_study
from worker.protocol import checkpoint

STEPS = {2: 20_000, 4: 20_000, 8: 10_000, 32: 2_500, 128: 1_200, 512: 400}
FINAL = {
    "layer_norm": (10.9, 10.5, 10.4, 10.3, 10.3, 11.0),
    "rms_norm": (11.1, 10.4, 10.4, 10.3, 10.4, 11.0),
    "group_norm": (11.5, 11.0, 10.6, 10.3, 10.5, 10.9),
    "batch_norm": (16.0, 13.1, 11.2, 10.1, 9.9, 10.3),
    "batch_renorm": (13.0, 11.6, 10.8, 10.3, 10.1, 10.4),
    "none": (13.6, 12.2, 11.4, 11.1, 11.3, 11.9),
}
"""Invented final test errors in percent, by batch size."""
STEP_TIME = {
    "layer_norm": 0.49,
    "rms_norm": 0.46,
    "group_norm": 0.55,
    "batch_norm": 0.53,
    "batch_renorm": 0.61,
    "none": 0.42,
}
START = datetime(2026, 1, 5, 14, 10, tzinfo=UTC).timestamp()

SMALL_BATCH: dict[str, Any] = {
    "name": "small-batch",
    "question": "Does it keep working when the batch shrinks?",
    "base": {
        "dataset": {"kind": "fashion_mnist"},
        "architecture": {"kind": "mlp", "hidden": [1000, 1000]},
        "training": {"batch_size": 32, "budget": {"steps": 20_000}, "optimizer": {"kind": "adam", "lr": 0.001}},
    },
    "vary": {
        "normalization": [{"kind": name, **({"groups": 8} if name == "group_norm" else {})} for name in FINAL],
        "training.batch_size": [2, 4, 8, 32, 128, 512],
    },
    "seeds": 5,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}
RATES: dict[str, Any] = {
    "name": "learning-rate",
    "question": "How much does normalization widen the range of learning rates?",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [128, 128]},
        "training": {"batch_size": 32, "budget": {"steps": 2_000}, "optimizer": {"kind": "sgd", "lr": 0.1}},
    },
    "vary": {
        "normalization": [{"kind": "none"}, {"kind": "layer_norm"}, {"kind": "batch_norm"}],
        "training.optimizer.lr": [0.01, 0.1, 1.0],
    },
    "seeds": 3,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}
CONV: dict[str, Any] = {
    "name": "conv-digits",
    "question": "Does layer normalization hold up in a small convolutional network?",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "convnet"},
        "training": {"batch_size": 64, "budget": {"epochs": 20}},
    },
    "vary": {"normalization": [{"kind": "layer_norm"}, {"kind": "batch_norm"}, {"kind": "none"}]},
    "seeds": 2,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}


DEEP: dict[str, Any] = {
    "name": "depth-and-batch",
    "question": "Does depth change which batch a normalization wants?",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp"},
        "training": {"batch_size": 32, "budget": {"steps": 500}},
    },
    "vary": {
        "normalization": [{"kind": "layer_norm"}, {"kind": "batch_norm"}],
        "architecture.hidden": [[64], [64, 64]],
        "training.batch_size": [8, 128],
    },
    "seeds": 2,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}


def smaller(raw: dict[str, Any]) -> dict[str, Any]:
    """Two values of every axis but the normalizations, and three seeds at most."""
    axes = {path: values if path == "normalization" else _two(values) for path, values in raw["vary"].items()}
    return {**raw, "vary": axes, "seeds": min(3, raw["seeds"])}


def _two(values: list[Any]) -> list[Any]:
    return values if len(values) == 2 else [values[1], values[-1]]


MANY: dict[str, Any] = {
    "name": "all-norms",
    "question": "Which of ten normalizations suits a small network on digits?",
    "base": {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp", "hidden": [128, 128]},
        "training": {"batch_size": 128, "budget": {"steps": 500}},
    },
    "vary": {"normalization": [{"kind": kind} for kind in (*FINAL, "scale_norm", "dyt", "detach_norm", "weight_norm")]},
    "seeds": 3,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}


class Sample:
    """Writes an installation's history; a small one in a few seconds, for tests. The same seed, the same numbers."""

    def __init__(self, database: Database, runs_dir: Path, *, small: bool = False) -> None:
        self.database = database
        self.runs_dir = runs_dir
        self.small = small
        self.random = random.Random(7)
        self.catalog = load_catalog()

    def write(self) -> dict[str, str]:
        """Everything; returns ids by name for tests and pictures."""
        with self.database.write() as c:
            cpu = self._worker(c, "cpu-0", "8 cores", 3.1e9)
            other = self._worker(c, "cpu-1", "8 cores", 0.9e9)
            self._worker(c, "cpu-2", "4 cores", 0.4e9)
            gpu = {"gpu_name": "NVIDIA H100 80GB HBM3", "gpu_percent": 87.0}
            self._worker(c, "gpu-0", "64 cores", 41e9, **gpu, gpu_memory_used=31.2e9, gpu_memory_total=85e9)
        ids = {}
        for name, raw, keep in (
            ("deep", DEEP, 0),
            ("many", MANY, 0),
            ("conv", CONV, 0),
            ("rates", RATES, 0),
            ("study", SMALL_BATCH, 5),
        ):
            study, cells = parse_study(smaller(raw) if self.small else raw, self.catalog)
            with self.database.write() as c:
                ids[name] = studies.submit(c, study, cells, owner="owner").id
            self._run_all(cpu, leave=keep)
        with self.database.write() as c:
            studies.edit(
                c, ids["study"], notes="Batch norm is given its running statistics in evaluation.\nSee page 8."
            )
        ids |= self._singles(cpu)
        ids |= self._open_runs(cpu, other)
        return ids | self._saved(ids["conv"])

    def _saved(self, study: str) -> dict[str, str]:
        """A saved comparison of two jobs of a study."""
        with self.database.write() as c:
            two = [job.id for job in jobs.of_study(c, study).data[:2]]
            question = Question(jobs=two, at="best", baseline={"normalization.kind": "layer_norm"})
            notes = "For the reading group: the convolutional network again, by its best epoch."
            saved = comparisons.save(c, question, title="Batch norm at its best", notes=notes, owner="owner")
        return {"two_jobs": ",".join(two), "comparison": saved.id}

    def _worker(self, c: Connection, name: str, device: str, memory: float, **gpu: Any) -> str:
        registered = workers.register(
            c,
            name=name,
            host="lab",
            pid=4711,
            queues=("gpu",) if gpu else ("default", "cpu"),
            device="cuda" if gpu else "cpu",
            device_name=device,
            measures={"cpu_percent": 62.0, "memory_used": memory, "memory_total": 4 * 16e9 if gpu else 16e9, **gpu},
        )
        return registered.id

    def _claim(self, worker: str) -> Claim | None:
        with self.database.write() as c:
            return runs.claim(c, worker, queues=("default",))

    def _run_all(self, worker: str, *, leave: int) -> None:
        """Trains what is queued but for the last `leave` runs."""
        with self.database.read() as c:
            queued = runs.counts(c)["queued"]
        for _ in range(queued - leave):
            claim = self._claim(worker)
            assert claim is not None
            self._train(claim)

    def _train(self, claim: Claim) -> None:
        """One run from beginning to end, diverging or failing where its spec invites it."""
        kind, batch = claim.spec["normalization"]["kind"], claim.spec["training"]["batch_size"]
        rate = claim.spec["training"]["optimizer"]["lr"]
        lost = kind == "none" and (
            (batch == 2 and claim.run.seed < 2) or (batch == 4 and claim.run.seed == 1) or rate >= 1
        )
        with self.database.write() as c:
            if kind == "group_norm" and batch == 512 and claim.run.seed == 2:
                message = "Wants 84.0 of 80.0 GB: a smaller batch or a narrower network fits."
                runs.finish(c, claim.run.id, claim.token, Ending.failed(Responsible.SPEC, Reason.OOM_GPU, message))
                return
            told = self._report(claim, number=1, until=0.35 if lost else 1.0, diverges=lost)
            runs.report(c, claim.run.id, claim.token, told)
            outcome = Outcome.DIVERGED if lost else Outcome.COMPLETED
            said = f"The loss was NaN at step {told.step}." if lost else None
            runs.finish(c, claim.run.id, claim.token, Ending.succeeded(outcome, said))

    def _report(self, claim: Claim, *, number: int, until: float, begin: float = 0.0, diverges: bool = False) -> Report:
        """A heartbeat with every point from a share `begin` of the budget to a share `until`."""
        kind, batch = claim.spec["normalization"]["kind"], claim.spec["training"]["batch_size"]
        total = self._total(claim)
        final = self._final(claim)
        evaluations = [round(total * share / 40) for share in range(1, 41) if begin * 40 < share <= until * 40]
        count = 90 if self.small else 200
        losses = [
            round(total * share / count) for share in range(1, count + 1) if begin * count < share <= until * count
        ]
        error = [self._point(step, batch, kind, self._error(step / total, final)) for step in evaluations]
        loss = [self._point(step, batch, kind, self._loss(step / total, final)) for step in losses]
        if diverges and loss:
            loss[-1] = loss[-1]._replace(value=math.nan)
            error = error[:-1]
        points = {
            "train_loss": loss,
            "test_error": error,
            "validation_error": [point._replace(value=point.value * 1.03) for point in error],
            "step_time": [p._replace(value=self._around(self._step_time(kind) / 1000, 0.01)) for p in loss],
            "samples_per_second": [p._replace(value=batch / self._step_time(kind) * 1000) for p in loss[-1:]],
            "peak_memory": [p._replace(value=(200 + 8 * len(kind)) * 1e6) for p in loss[-1:]],
        }
        step = losses[-1] if losses else 0
        return Report(
            number=number,
            step=step,
            total_steps=total,
            progress=step / total,
            seconds=step * self._step_time(kind) / 1000,
            seconds_left=(total - step) * self._step_time(kind) / 1000 * 40,
            phase=Phase.TRAINING,
            points=points,
            lines=self._lines(claim, error),
        )

    def _total(self, claim: Claim) -> int:
        """Steps of the budget; small-batch is shorter where the batch is larger."""
        steps: int = claim.spec["training"]["budget"].get("steps", 500)
        return min(steps, STEPS[claim.spec["training"]["batch_size"]]) if steps == 20_000 else steps

    def _step_time(self, kind: str) -> float:
        """Milliseconds; invented from its name where it is not one of the study's."""
        return STEP_TIME.get(kind, 0.4 + 0.02 * len(kind))

    def _final(self, claim: Claim) -> float:
        kind, batch = claim.spec["normalization"]["kind"], claim.spec["training"]["batch_size"]
        levels = FINAL.get(kind, FINAL["rms_norm"])
        level = levels[list(STEPS).index(batch)] if batch in STEPS else levels[4]
        shared = random.Random(claim.run.seed).gauss(0, 0.12)
        return level + shared + self.random.gauss(0, 0.11)

    def _error(self, share: float, final: float) -> float:
        return (final + 14 * math.exp(-9 * share) + self.random.gauss(0, 0.12)) / 100

    def _loss(self, share: float, final: float) -> float:
        return final / 30 + 2 * math.exp(-12 * share) + abs(self.random.gauss(0, 0.05))

    def _around(self, value: float, spread: float) -> float:
        return value * (1 + self.random.gauss(0, spread))

    def _point(self, step: int, batch: int, kind: str, value: float) -> Point:
        seconds = step * self._step_time(kind) / 1000
        return Point(step, value, START + seconds, seconds, step * batch / 60_000, step * batch)

    def _lines(self, claim: Claim, error: Sequence[Point]) -> list[LogLine]:
        at = datetime.fromtimestamp(START, UTC)
        said = [
            "model: 1 796 010 parameters, 6.9 MiB in float32",
            "dataset fashion_mnist: 60 000 cases, from the data directory",
        ]
        said += [f"step {point.step}  test_error {point.value:.4f}" for point in error[-8:]]
        lines = [LogLine(i, at + timedelta(seconds=2 * i), "out", words) for i, words in enumerate(said, 1)]
        if claim.token > 1:
            words = "14 metrics of attempt 1 after the checkpoint dropped: its token is fenced"
            lines.append(LogLine(len(lines) + 1, at, "error", words))
        return lines

    def _singles(self, worker: str) -> dict[str, str]:
        """A job by itself that failed with a traceback, and one that was cancelled."""
        raw = {**SMALL_BATCH["base"], "normalization": {"kind": "layer_norm"}, "seeds": 1, "tags": {"course": "dl-101"}}
        with self.database.write() as c:
            broken = jobs.submit(c, parse_job({**raw, "priority": 9}, self.catalog), owner="owner")
        claim = self._claim(worker)
        assert claim is not None
        message = (
            "fashion_mnist was found nowhere: not in the data directory, not in a package, and no address answered."
        )
        ending = Ending.failed(Responsible.SPEC, Reason.DATASET, message, exit_code=1, traceback=TRACEBACK)
        with self.database.write() as c:
            runs.finish(c, claim.run.id, claim.token, ending)
            dropped = jobs.submit(c, parse_job({**raw, "seeds": [7], "queue": "gpu"}, self.catalog), owner="owner")
            runs.request_job(c, dropped.id, Action.CANCEL)
        return {"job": broken.id, "failed": claim.run.id}

    def _open_runs(self, cpu: str, other: str) -> dict[str, str]:
        """A run in its second attempt with checkpoints, one beside it, one paused; the rest stays queued."""
        first = self._claim(other)
        assert first is not None
        with self.database.write() as c:
            runs.report(c, first.run.id, first.token, self._report(first, number=1, until=0.45))
            runs.saved_checkpoint(c, first.run.id, first.token, self._checkpoint(first, 0.45))
            runs.lose(c, first.run.id, first.token, message="Worker cpu-1 was silent for 30 s", backoff=0)
        again = self._claim(cpu)
        assert again is not None
        assert again.run.id == first.run.id
        warning = Note(EventKind.WARNING, "training loss rose to 0.98 at step 260", Level.WARNING, {})
        with self.database.write() as c:
            told = self._report(again, number=1, begin=0.45, until=0.7)
            runs.report(c, again.run.id, again.token, told)
            runs.saved_checkpoint(c, again.run.id, again.token, self._checkpoint(again, 0.6))
            runs.report(c, again.run.id, again.token, Report(number=2, notes=[warning]))
        beside = self._claim(other)
        assert beside is not None
        with self.database.write() as c:
            runs.report(c, beside.run.id, beside.token, self._report(beside, number=1, until=0.2))
            queued = runs.page(c, status=["queued"], limit=1).data[0]
            runs.request(c, queued.id, Action.PAUSE)
        return {"run": again.run.id, "job_of_run": again.run.job_id}

    def _checkpoint(self, claim: Claim, share: float) -> SavedCheckpoint:
        step = round(self._total(claim) * share)
        path = self.runs_dir / claim.run.id / "ck" / f"{step}.{claim.token}"
        made = checkpoint.write(path, fill)
        return SavedCheckpoint(
            step=step,
            path=str(path.relative_to(self.runs_dir)),
            size_bytes=made.size_bytes,
            digest=made.digest,
            metrics={"validation_error": 0.109},
            best=True,
        )


def fill(directory: Path) -> None:
    """The files of a checkpoint, as large as they are for a small network."""
    for name, size in {WEIGHTS: 211_000, OPTIMIZER: 422_000, GENERATORS: 5_056, STATE: 16_300}.items():
        (directory / name).write_bytes(bytes(size))


TRACEBACK = """Traceback (most recent call last):
  File "worker/runner.py", line 88, in train
    data = datasets.load(spec.dataset, settings.datasets_dir)
  File "worker/datasets/idx.py", line 61, in load
    raise DatasetNotFound(name, tried)
worker.datasets.errors.DatasetNotFound: fashion_mnist was found nowhere
"""
