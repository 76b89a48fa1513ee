"""The command of a change. Of changes that are in the store already it is not known: a rebuild finds it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("changes", sa.Column("command", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("changes", "command")
