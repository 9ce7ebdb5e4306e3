"""The tables, as SQLAlchemy Core; migrations/ is compared with them by a test.

Times are UTC microseconds in a BIGINT (`Moment`): the same on both engines, exact to compare, and summable in SQL.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect

from domain.run import Outcome, Responsible, RunStatus

REVISION = "0005"
"""The migration that makes exactly these tables (a test compares them)."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(value: datetime) -> int:
    return (value - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    return EPOCH + value * MICROSECOND


class Moment(TypeDecorator[datetime]):
    """A timezone-aware datetime, kept as microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else from_micros(value)


def _one_of(column: str, words: Any) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


Id = String(40)
Word = String(64)

study = Table(
    "study",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("name", String(200), nullable=False),
    Column("question", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("notes", Text, nullable=False, server_default=text("''")),
    Index("ix_study_created_at_id", "created_at", "id"),
    Index("ix_study_name", "name"),
)

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("study_id", Id, ForeignKey("study.id")),
    Column("name", String(200)),
    Column("label", Text, nullable=False),
    Column("key", JSON, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("spec_hash", String(64), nullable=False),
    Column("seeds", JSON, nullable=False),
    Column("queue", Word, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("dataset", Word, nullable=False),
    Column("architecture", Word, nullable=False),
    Column("normalization", Word, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("notes", Text, nullable=False, server_default=text("''")),
    Index("ix_job_created_at_id", "created_at", "id"),
    Index("ix_job_study_id", "study_id"),
    Index("ix_job_spec_hash", "spec_hash"),
    Index("ix_job_normalization_architecture_dataset", "normalization", "architecture", "dataset"),
)

run = Table(
    "run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False),
    Column("study_id", Id, ForeignKey("study.id")),
    Column("seed", BigInteger, nullable=False),
    Column("seed_rank", Integer, nullable=False),
    Column("status", Word, nullable=False),
    Column("outcome", Word),
    Column("phase", Word),
    Column("reason", Word),
    Column("responsible", Word),
    Column("message", Text),
    Column("queue", Word, nullable=False),
    Column("device", Word, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("token", BigInteger, nullable=False, server_default="0"),
    Column("worker", Id),
    Column("hb_seq", BigInteger, nullable=False, server_default="0"),
    Column("lease_until", Moment),
    Column("last_heartbeat_at", Moment),
    Column("not_before", Moment),
    Column("woken_at", Moment, nullable=False),
    Column("request", Word),
    Column("ckpt_id", Id),
    Column("step", BigInteger, nullable=False, server_default="0"),
    Column("total_steps", BigInteger),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("seconds_left", Float),
    Column("exact", Boolean, nullable=False, server_default=text("true")),
    Column("retry_of", Id),
    Column("retried_by", Id),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("updated_at", Moment, nullable=False),
    CheckConstraint(_one_of("status", RunStatus), name="status"),
    CheckConstraint(_one_of("outcome", Outcome), name="outcome"),
    CheckConstraint(_one_of("responsible", Responsible), name="responsible"),
    # What a claim scans: the queued runs in claim order, with what makes one eligible.
    Index(
        "ix_run_claim",
        text("priority DESC"),
        "seed_rank",
        "id",
        "queue",
        "device",
        sqlite_where=text("status = 'queued'"),
        postgresql_where=text("status = 'queued'"),
    ),
    Index("ix_run_created_at_id", "created_at", "id"),
    Index("ix_run_job_id", "job_id", "seed_rank"),
    Index("ix_run_study_id", "study_id"),
    Index("ix_run_status", "status", "created_at", "id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("token", BigInteger, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("worker", Id, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("start_step", BigInteger, nullable=False),
    Column("ended_at", Moment),
    Column("ending", Word),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("reason", Word),
    Column("message", Text),
    Column("traceback", Text),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("best", Boolean, nullable=False, server_default=text("false")),
    Column("good", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("run_id", "step", "token"),
)

event = Table(
    "event",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("kind", Word, nullable=False),
    Column("study_id", Id),
    Column("job_id", Id),
    Column("run_id", Id),
    Column("level", Word, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_event_run_id_seq", "run_id", "seq"),
    Index("ix_event_job_id_seq", "job_id", "seq"),
    Index("ix_event_study_id_seq", "study_id", "seq"),
)

# One row: the last number given out. Its row lock is held until commit, so numbers appear in the order of commits.
event_counter = Table(
    "event_counter",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Id, nullable=False),
    Column("queue", Word, nullable=False),
    Column("due_at", Moment, nullable=False),
    Index("ix_outbox_due_at", "due_at"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("queues", JSON, nullable=False),
    Column("device", Word, nullable=False),
    Column("device_name", String(200), nullable=False),
    Column("devices", JSON),
    Column("status", Word, nullable=False),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Column("run_id", Id),
    Column("hb_seq", BigInteger, nullable=False, server_default="0"),
    Column("started_at", Moment, nullable=False),
    Column("last_heartbeat_at", Moment, nullable=False),
    Column("stopped_at", Moment),
    Column("measures", JSON, nullable=False),
    CheckConstraint(_one_of("status", ("idle", "busy", "draining", "stopped", "lost")), name="status"),
    Index("ix_worker_status", "status"),
)

log = Table(
    "log",
    metadata,
    Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("token", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("stream", Word, nullable=False),
    Column("line", Text, nullable=False),
)

# A series also carries its summary, so that lists and sorting never touch points.
series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("name", Word, nullable=False),
    Column("n", BigInteger, nullable=False, server_default="0"),
    Column("odd", BigInteger, nullable=False, server_default="0"),
    Column("first_step", BigInteger),
    Column("last_step", BigInteger),
    Column("last", Double),
    Column("last_kind", SmallInteger, nullable=False, server_default="0"),
    Column("min", Double),
    Column("min_step", BigInteger),
    Column("max", Double),
    Column("max_step", BigInteger),
    Column("mean", Double),
    Column("median", Double),
    # Whether the dispatcher, once the run had ended, has put its points into packs (or left them: they are few).
    Column("packed", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("run_id", "name"),
    Index("ix_series_name", "name"),
    Index("ix_series_unpacked", "run_id", sqlite_where=text("NOT packed"), postgresql_where=text("NOT packed")),
)

point = Table(
    "point",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double),
    # 0 finite, 1 NaN, 2 +Infinity, 3 -Infinity; a value that is not finite is kept as NULL.
    Column("kind", SmallInteger, nullable=False, server_default="0"),
    Column("at", BigInteger, nullable=False),
    Column("relative", Double, nullable=False),
    Column("epoch", Double, nullable=False),
    Column("samples", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Points of a finished run, many to a row, each column compressed (the form: domain/store/packing.py).
pack = Table(
    "pack",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True),
    Column("first_step", BigInteger, primary_key=True, autoincrement=False),
    Column("last_step", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("step", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("at", LargeBinary, nullable=False),
    Column("relative", LargeBinary, nullable=False),
    Column("epoch", LargeBinary, nullable=False),
    Column("samples", LargeBinary, nullable=False),
)

rollup = Table(
    "rollup",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True),
    # 1, 2, 3: buckets of 64, 64² and 64³ steps.
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("odd", BigInteger, nullable=False),
    Column("sum", Double, nullable=False),
    Column("min", Double),
    Column("min_step", BigInteger),
    Column("max", Double),
    Column("max_step", BigInteger),
    Column("first", Double),
    Column("first_step", BigInteger, nullable=False),
    Column("last", Double),
    Column("last_step", BigInteger, nullable=False),
    Column("last_kind", SmallInteger, nullable=False),
    Column("odd_step", BigInteger),
    Column("odd_kind", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What a resume cut off; the values emitted again must have the same hash (in deterministic mode).
truncated = Table(
    "truncated",
    metadata,
    Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("token", BigInteger, primary_key=True),
    Column("name", Word, primary_key=True),
    Column("after_step", BigInteger, nullable=False),
    Column("to_step", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("matched", Boolean),
)

# A saved question; its answer is made when it is read. It names jobs without foreign keys: they may be deleted.
comparison = Table(
    "comparison",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("title", String(200), nullable=False),
    Column("notes", Text, nullable=False),
    Column("question", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_comparison_created_at_id", "created_at", "id"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)

login_code = Table(
    "login_code",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("key_id", Id, ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

session = Table(
    "session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("key_id", Id, ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Word, primary_key=True),
    Column("route", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", Text),
    Column("created_at", Moment, nullable=False),
)
