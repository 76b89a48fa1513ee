"""The first schema. Amounts are decimal text, see :class:`beurs.store.models.Units`."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(31), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
        sa.UniqueConstraint("code"),
    )
    op.create_table(
        "assets",
        sa.Column("asset_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(15), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("asset_id"),
        sa.UniqueConstraint("code"),
    )
    op.create_table(
        "balances",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total", sa.String(40), nullable=False),
        sa.Column("held", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "asset_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "candles",
        sa.Column("instrument_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval", sa.String(4), nullable=False),
        sa.Column("open_time_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("close", sa.BigInteger(), nullable=False),
        sa.Column("volume", sa.String(40), nullable=False),
        sa.Column("notional", sa.String(40), nullable=False),
        sa.Column("trade_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instrument_id", "interval", "open_time_ns"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fee_schedules",
        sa.Column("instrument_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("maker_ppm", sa.Integer(), nullable=False),
        sa.Column("taker_ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("instrument_id", "group_id"),
    )
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("client_order_id", sa.String(36), nullable=True),
        sa.Column("instrument_id", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("liquidity", sa.String(8), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("notional", sa.String(40), nullable=False),
        sa.Column("fee", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("fill_id"),
    )
    op.create_index("ix_fills_account", "fills", ["account_id", "fill_id"])
    op.create_index("ix_fills_order", "fills", ["order_id", "fill_id"])
    op.create_table(
        "instruments",
        sa.Column("instrument_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("symbol", sa.String(31), nullable=False),
        sa.Column("base_asset_id", sa.Integer(), nullable=False),
        sa.Column("quote_asset_id", sa.Integer(), nullable=False),
        sa.Column("tick_mantissa", sa.String(40), nullable=False),
        sa.Column("tick_scale", sa.SmallInteger(), nullable=False),
        sa.Column("lot_mantissa", sa.String(40), nullable=False),
        sa.Column("lot_scale", sa.SmallInteger(), nullable=False),
        sa.Column("min_quantity", sa.BigInteger(), nullable=False),
        sa.Column("max_quantity", sa.BigInteger(), nullable=False),
        sa.Column("min_notional", sa.String(40), nullable=False),
        sa.Column("lot_units", sa.BigInteger(), nullable=False),
        sa.Column("tick_lot_units", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("instrument_id"),
        sa.UniqueConstraint("symbol"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("asset_id", sa.Integer(), nullable=False),
        sa.Column("amount", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    op.create_index("ix_ledger_entries_account", "ledger_entries", ["account_id", "entry_id"])
    op.create_table(
        "orders",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("instrument_id", sa.Integer(), nullable=False),
        sa.Column("client_order_id", sa.String(36), nullable=True),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("order_type", sa.String(16), nullable=False),
        sa.Column("time_in_force", sa.String(8), nullable=False),
        sa.Column("post_only", sa.Boolean(), nullable=False),
        sa.Column("self_trade_prevention", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("cancel_reason", sa.String(24), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("quote_quantity", sa.String(40), nullable=False),
        sa.Column("filled_quantity", sa.BigInteger(), nullable=False),
        sa.Column("leaves_quantity", sa.BigInteger(), nullable=False),
        sa.Column("hold", sa.String(40), nullable=False),
        sa.Column("created_sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_sequence", sa.BigInteger(), nullable=False),
        sa.Column("updated_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index("ix_orders_account", "orders", ["account_id", "order_id"])
    op.create_index(
        "ix_orders_client_order_id",
        "orders",
        ["account_id", "client_order_id"],
        sqlite_where=sa.text("client_order_id IS NOT NULL"),
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_index(
        "ix_orders_open",
        "orders",
        ["account_id", "order_id"],
        sqlite_where=sa.text("status IN ('new', 'partially_filled')"),
        postgresql_where=sa.text("status IN ('new', 'partially_filled')"),
    )
    op.create_table(
        "projector_state",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "trades",
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("instrument_id", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("notional", sa.String(40), nullable=False),
        sa.Column("aggressor_side", sa.String(4), nullable=False),
        sa.Column("maker_order_id", sa.BigInteger(), nullable=False),
        sa.Column("taker_order_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trade_id"),
    )
    op.create_index("ix_trades_instrument", "trades", ["instrument_id", "trade_id"])


def downgrade() -> None:
    op.drop_table("trades")
    op.drop_table("projector_state")
    op.drop_table("orders")
    op.drop_table("ledger_entries")
    op.drop_table("instruments")
    op.drop_table("fills")
    op.drop_table("fee_schedules")
    op.drop_table("candles")
    op.drop_table("balances")
    op.drop_table("assets")
    op.drop_table("accounts")
