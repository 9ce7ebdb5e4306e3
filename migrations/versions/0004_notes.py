"""Notes on studies and jobs"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    for table in ("study", "job"):
        op.add_column(table, sa.Column("notes", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    for table in ("study", "job"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("notes")
