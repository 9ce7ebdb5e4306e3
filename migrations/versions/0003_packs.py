"""Packs: the points of finished runs, many to a row"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "pack",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("step", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.LargeBinary(), nullable=False),
        sa.Column("relative", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.LargeBinary(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_pack_series_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("series_id", "first_step", name=op.f("pk_pack")),
    )
    op.add_column("series", sa.Column("packed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    unpacked = sa.text("NOT packed")
    op.create_index("ix_series_unpacked", "series", ["run_id"], sqlite_where=unpacked, postgresql_where=unpacked)


def downgrade() -> None:
    raise NotImplementedError("Points that were packed would have to be unpacked; go back to a copy instead.")
