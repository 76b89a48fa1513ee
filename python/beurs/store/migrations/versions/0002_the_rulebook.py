"""The wider rulebook: terms of orders, order lists, auctions, why an instrument has its status."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_INSTRUMENT_COLUMNS = (
    ("status_reason", sa.String(16)),
    ("auction_end_time_ns", sa.BigInteger()),
    ("indicative_price", sa.BigInteger()),
    ("indicative_volume", sa.String(40)),
    ("indicative_imbalance", sa.String(40)),
    ("auction_price", sa.BigInteger()),
    ("auction_volume", sa.String(40)),
    ("auction_time_ns", sa.BigInteger()),
    ("limit_state_side", sa.String(4)),
)
_PARTIAL_INDEXES = {
    "ix_orders_client_order_id": (["account_id", "client_order_id"], "client_order_id IS NOT NULL"),
    "ix_orders_open": (["account_id", "order_id"], "status IN ('new', 'partially_filled')"),
}


def _change_orders(width: int) -> None:
    # SQLite changes a column by making the table anew, and would make these indexes anew without their condition.
    for name in _PARTIAL_INDEXES:
        op.drop_index(name, "orders")
    with op.batch_alter_table("orders") as orders:
        orders.alter_column("order_type", existing_type=sa.String(), type_=sa.String(width), existing_nullable=False)
    for name, (columns, condition) in _PARTIAL_INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "orders", columns, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    _change_orders(20)
    op.add_column("orders", sa.Column("displayed_quantity", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "order_terms",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
        sa.Column("limit_price", sa.BigInteger(), nullable=False),
        sa.Column("trigger_price", sa.BigInteger(), nullable=False),
        sa.Column("trigger_by", sa.String(8), nullable=False),
        sa.Column("trail_bps", sa.Integer(), nullable=False),
        sa.Column("display_quantity", sa.BigInteger(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("min_quantity", sa.BigInteger(), nullable=False),
        sa.Column("expire_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("auction_only", sa.Boolean(), nullable=False),
        sa.Column("slide", sa.Boolean(), nullable=False),
        sa.Column("peg", sa.String(8), nullable=False),
        sa.Column("peg_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index(
        "ix_order_terms_list",
        "order_terms",
        ["list_id"],
        sqlite_where=sa.text("list_id > 0"),
        postgresql_where=sa.text("list_id > 0"),
    )
    op.create_table(
        "order_lists",
        sa.Column("list_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("instrument_id", sa.Integer(), nullable=False),
        sa.Column("contingency", sa.String(8), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_sequence", sa.BigInteger(), nullable=False),
        sa.Column("updated_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_id"),
    )
    for name, kind in _INSTRUMENT_COLUMNS:
        default = "requested" if name == "status_reason" else None
        op.add_column("instruments", sa.Column(name, kind, nullable=default is None, server_default=default))

    op.add_column("trades", sa.Column("buy_order_id", sa.BigInteger(), nullable=True))
    op.add_column("trades", sa.Column("sell_order_id", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE trades SET"
        " buy_order_id = CASE aggressor_side WHEN 'buy' THEN taker_order_id ELSE maker_order_id END,"
        " sell_order_id = CASE aggressor_side WHEN 'buy' THEN maker_order_id ELSE taker_order_id END"
    )
    with op.batch_alter_table("trades") as trades:
        for name in ("buy_order_id", "sell_order_id"):
            trades.alter_column(name, existing_type=sa.BigInteger(), nullable=False)
        trades.alter_column("aggressor_side", existing_type=sa.String(4), nullable=True)
        for name in ("maker_order_id", "taker_order_id"):
            trades.alter_column(name, existing_type=sa.BigInteger(), nullable=True)


def downgrade() -> None:
    # The earlier schema cannot hold everything. All rows go, and are made from the journal again.
    for table in sa.inspect(op.get_bind()).get_table_names():
        if table != "alembic_version":
            op.execute(sa.delete(sa.table(table)))
    with op.batch_alter_table("trades") as trades:
        trades.alter_column("aggressor_side", existing_type=sa.String(4), nullable=False)
        for name in ("maker_order_id", "taker_order_id"):
            trades.alter_column(name, existing_type=sa.BigInteger(), nullable=False)
        for name in ("sell_order_id", "buy_order_id"):
            trades.drop_column(name)
    with op.batch_alter_table("instruments") as instruments:
        for name, _ in reversed(_INSTRUMENT_COLUMNS):
            instruments.drop_column(name)
    op.drop_table("order_lists")
    op.drop_table("order_terms")
    op.drop_column("orders", "displayed_quantity")
    _change_orders(16)
