"""What a call for help of unknown source names as its device.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("sos_presses", schema=None) as batch_op:
        batch_op.add_column(sa.Column("said_device", sa.String(length=256), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("sos_presses", schema=None) as batch_op:
        batch_op.drop_column("said_device")
