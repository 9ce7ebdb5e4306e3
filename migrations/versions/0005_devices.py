"""The devices a worker takes runs for"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("devices", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("worker", "devices")
