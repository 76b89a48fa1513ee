"""The commands. Each says what it does in its docstring, which is its help.

What is heavy to import (the application, the store) is imported by the command that needs it: `beurs book` must not
wait for a web framework.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from beurs import engine
from beurs.cli import output
from beurs.cli.admin import app as admin_app
from beurs.cli.client import Client
from beurs.cli.liabilities import app as liabilities_app
from beurs.cli.local import DIFFERS, account_codes, fail, load_settings
from beurs.cli.options import HELP, LOCAL, Config, DataDirectory, Json, Key, Url
from beurs.errors import BeursError
from beurs.values import OrderType, SelfTradePrevention, Side, TimeInForce

__all__ = ["app"]

app = typer.Typer(
    name="beurs",
    help="An exchange: it takes orders, holds the money, matches, settles, and can prove what it did.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
order_app = typer.Typer(help="Enter, list, change and cancel orders.", no_args_is_help=True, context_settings=HELP)
account_app = typer.Typer(help="See the own account.", no_args_is_help=True, context_settings=HELP)
key_app = typer.Typer(help="Make and register API keys.", no_args_is_help=True, context_settings=HELP)
instrument_app = typer.Typer(help="See what can be traded.", no_args_is_help=True, context_settings=HELP)
replay_app = typer.Typer(help="Replay a market day through the engine.", no_args_is_help=True, context_settings=HELP)
store_app = typer.Typer(help="Look after the SQL store.", no_args_is_help=True, context_settings=HELP)
app.add_typer(order_app, name="order")
app.add_typer(account_app, name="account")
app.add_typer(key_app, name="key")
app.add_typer(admin_app, name="admin")
app.add_typer(instrument_app, name="instrument")
app.add_typer(replay_app, name="replay")
app.add_typer(store_app, name="store")
app.add_typer(liabilities_app, name="liabilities")

OrderName = Annotated[str, typer.Argument(metavar="ORDER", help="The order_id, or client:CLIENT_ORDER_ID.")]

ORDER_COLUMNS = (
    "order_id",
    "symbol",
    "side",
    "order_type",
    "price",
    "quantity",
    "filled_quantity",
    "leaves_quantity",
    "status",
    "client_order_id",
)


class Which(StrEnum):
    """Which orders to list."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


@app.command()
def serve(
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Demo instruments, accounts, keys and a market simulator.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0 for any free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that answer clients, beside the engine's; 0 for one in all.")
    ] = None,
    binary: Annotated[
        str | None, typer.Option(help="Where the binary door listens: host:port, unix:PATH, or off.")
    ] = None,
    data_directory: DataDirectory = None,
    database_url: Annotated[str | None, typer.Option(help="SQLAlchemy URL of the store.")] = None,
    simulator: Annotated[
        bool | None, typer.Option("--simulator/--no-simulator", help="The market simulator alone.")
    ] = None,
    clock: Annotated[
        str | None, typer.Option(help="system, or manual for one that stands still until staff moves it.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.")] = None,
    config: Config = None,
) -> None:
    """Start the exchange. Other settings come from the environment or a file; a flag goes first.

    Ctrl-C stops it cleanly. Started again, it goes on where it stopped.
    """
    from beurs.workers import serve as run

    run(
        load_settings(
            config,
            demo=demo,
            host=host,
            port=port,
            binary=binary,
            workers=workers,
            data_directory=data_directory,
            database_url=database_url,
            simulator=simulator,
            clock=clock,
            log_level=log_level,
            log_format=log_format,
        )
    )


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="The data directory.", exists=True, file_okay=False)],
    json: Json = False,
) -> None:
    """Execute a journal again from its first command, and compare the state with every checkpoint.

    If segments were archived or dropped it begins at the oldest good checkpoint, as from_sequence says. Exits with 3 if
    a digest differs.
    """
    with output.progress("verifying") as report:
        result = engine.verify(str(directory), report)
    output.document(result) if json else output.fields(result)
    if not result["matches"]:
        raise typer.Exit(DIFFERS)


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="What to measure; everything if none is given.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller sizes and fewer rounds.")] = False,
    directory: Annotated[
        Path, typer.Option("--output", help="Where results.json and bench.svg go; its disk is what is measured.")
    ] = Path("beurs-bench"),
    rounds: Annotated[int | None, typer.Option(help="Rounds of each; 5 if not given, 3 with --quick.")] = None,
    scale: Annotated[float, typer.Option(help="Multiplies all sizes, above 0 to 1.", hidden=True)] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure this machine: the engine, the journal, the doors, and other order books on the same order stream.

    Writes results.json and the chart bench.svg. The chart needs `pip install "beurs[bench]"`, the other order books
    `pip install "beurs[peers]"`; without them the rest is measured all the same.
    """
    from beurs.bench import draw
    from beurs.bench import run as measure

    directory.mkdir(parents=True, exist_ok=True)
    with output.progress("measuring") as report:
        results = measure(names or [], directory, quick=quick, rounds=rounds, scale=scale, progress=report)
    (directory / "results.json").write_text(dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    drawn = draw(results, directory / "bench.svg")
    if json:
        output.document(results)
    else:
        _show_bench(results)
        output.out.print(f"written: {directory / 'results.json'}", markup=False)
        if drawn:
            output.out.print(f"written: {directory / 'bench.svg'}", markup=False)
    if not drawn:
        output.err.print('no chart: it needs matplotlib, pip install "beurs[bench]"', markup=False)
    if any("failed" in row for row in results["measurements"]):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    print(f"beurs {engine.VERSION}")


# A running server.


@app.command()
def book(
    symbol: Annotated[str, typer.Argument(help="The instrument.")],
    depth: Annotated[int, typer.Option(min=1, max=1000, help="Price levels on each side.")] = 10,
    url: Url = LOCAL,
    json: Json = False,
) -> None:
    """Show the order book of an instrument."""
    with Client(url, None) as client:
        answer = client.get(f"/v1/market/{_segment(symbol)}/book", depth=depth)
    output.document(answer) if json else output.book(answer)


@order_app.command("submit")
def order_submit(
    side: Annotated[Side, typer.Argument(help="buy or sell.")],
    symbol: Annotated[str, typer.Argument(help="The instrument.")],
    quantity: Annotated[str | None, typer.Argument(help="How much, in base.")] = None,
    price: Annotated[str | None, typer.Option(help="The limit. Without it the order is a market order.")] = None,
    quote_quantity: Annotated[
        str | None, typer.Option(help="How much quote a market order may trade, instead of QUANTITY.")
    ] = None,
    time_in_force: Annotated[TimeInForce | None, typer.Option(help="gtc, ioc or fok.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Refuse the order rather than let it take.")] = False,
    self_trade_prevention: Annotated[
        SelfTradePrevention | None, typer.Option(help="What to do on meeting an own order.")
    ] = None,
    client_order_id: Annotated[
        str | None, typer.Option(help="An id of yours; sending it twice has one effect.")
    ] = None,
    url: Url = LOCAL,
    api_key: Key = None,
    json: Json = False,
) -> None:
    """Enter an order: beurs order submit buy BTC-USD 0.5 --price 20000."""
    body = {
        "symbol": symbol,
        "side": side.value,
        "order_type": OrderType.MARKET.value if price is None else OrderType.LIMIT.value,
        "quantity": quantity,
        "price": price,
        "quote_quantity": quote_quantity,
        "time_in_force": None if time_in_force is None else time_in_force.value,
        "post_only": True if post_only else None,
        "self_trade_prevention": None if self_trade_prevention is None else self_trade_prevention.value,
        "client_order_id": client_order_id,
    }
    with Client(url, api_key) as client:
        _show_report(client.post("/v1/orders", body), json)


@order_app.command("list")
def order_list(
    symbol: Annotated[str | None, typer.Option(help="Only on this instrument.")] = None,
    status: Annotated[Which, typer.Option(help="Which orders.")] = Which.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    url: Url = LOCAL,
    api_key: Key = None,
    json: Json = False,
) -> None:
    """List own orders, the newest first."""
    with Client(url, api_key) as client:
        answer = client.get("/v1/orders", symbol=symbol, status=status.value, limit=limit)
    output.document(answer) if json else output.rows(f"{status} orders", answer["orders"], ORDER_COLUMNS)


@order_app.command("show")
def order_show(order: OrderName, url: Url = LOCAL, api_key: Key = None, json: Json = False) -> None:
    """Show one own order, open or closed."""
    with Client(url, api_key) as client:
        answer = client.get(f"/v1/orders/{_segment(order)}")
    output.document(answer) if json else output.fields(answer)


@order_app.command("replace")
def order_replace(
    order: OrderName,
    price: Annotated[str | None, typer.Option(help="The new limit.")] = None,
    quantity: Annotated[str | None, typer.Option(help="The new total quantity, what is filled included.")] = None,
    client_order_id: Annotated[str | None, typer.Option(help="A new id of yours.")] = None,
    url: Url = LOCAL,
    api_key: Key = None,
    json: Json = False,
) -> None:
    """Change one own open order; what is not given stays."""
    body = {"price": price, "quantity": quantity, "client_order_id": client_order_id}
    with Client(url, api_key) as client:
        _show_report(client.patch(f"/v1/orders/{_segment(order)}", body), json)


@order_app.command("cancel")
def order_cancel(order: OrderName, url: Url = LOCAL, api_key: Key = None, json: Json = False) -> None:
    """Cancel one own open order."""
    with Client(url, api_key) as client:
        _show_report(client.delete(f"/v1/orders/{_segment(order)}"), json)


@order_app.command("cancel-all")
def order_cancel_all(
    symbol: Annotated[str | None, typer.Option(help="Only on this instrument.")] = None,
    side: Annotated[Side | None, typer.Option(help="Only on this side.")] = None,
    url: Url = LOCAL,
    api_key: Key = None,
    json: Json = False,
) -> None:
    """Cancel all own open orders, or those on an instrument or a side."""
    with Client(url, api_key) as client:
        answer = client.delete("/v1/orders", symbol=symbol, side=None if side is None else side.value)
    output.document(answer) if json else output.fields(answer)


@account_app.command("show")
def account_show(url: Url = LOCAL, api_key: Key = None, json: Json = False) -> None:
    """Show the own account and its balances."""
    with Client(url, api_key) as client:
        answer = client.get("/v1/account")
    if json:
        output.document(answer)
        return
    output.fields({name: value for name, value in answer.items() if name != "balances"})
    _show_balances(answer)


@account_app.command("balances")
def account_balances(url: Url = LOCAL, api_key: Key = None, json: Json = False) -> None:
    """Show the own balances."""
    with Client(url, api_key) as client:
        answer = client.get("/v1/account/balances")
    output.document(answer) if json else _show_balances(answer)


@app.command()
def positions(url: Url = LOCAL, api_key: Key = None, json: Json = False) -> None:
    """Show the own positions: what was traded, what it cost, and what it has earned."""
    with Client(url, api_key) as client:
        answer = client.get("/v1/account/positions")
    columns = ("symbol", "quantity", "average_price", "mark_price", "realised_profit", "unrealised_profit", "fees")
    output.document(answer) if json else output.rows("positions", answer["positions"], columns)


@key_app.command("create")
def key_create(
    account: Annotated[str | None, typer.Argument(help="The code of the account that the key acts for.")] = None,
    staff: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a key for a member of staff instead, of this name.")
    ] = None,
    ed25519: Annotated[
        Path | None,
        typer.Option(
            "--ed25519", metavar="FILE", help="Make a key that signs, with its private half in this new file."
        ),
    ] = None,
    data_directory: DataDirectory = None,
    config: Config = None,
) -> None:
    """Make an API key for an account or a member of staff, on the server's machine. A running server knows it at once.

    The key is printed once and cannot be shown again: only its hash is kept. Keys made before stay valid. With
    --ed25519 it is a key for the binary door: its private half goes to the file, for its owner only, and is neither
    kept nor printed; its public half is registered and printed.
    """
    from beurs.keys import KEY_FILE, KeyFile
    from beurs.signing import new_pair

    if (account is None) == (staff is None):
        raise typer.BadParameter("name an account, or a member of staff with --staff")
    settings = load_settings(config, data_directory=data_directory)
    file = KeyFile(settings.data_directory / KEY_FILE)
    if account is None:
        assert staff is not None
        if ed25519 is not None:
            raise typer.BadParameter("keys that sign are for accounts")
        with file.locked():
            print(file.issue_to_staff(staff))
        return
    with _account_exists(settings, account):
        if ed25519 is None:
            print(file.issue(account))
            return
        public = new_pair(ed25519)
        try:
            held = file.register(account, public)
        except BeursError:
            ed25519.unlink()
            raise
    print(f"{public.hex()} key_id {held.key_id}")


@key_app.command("add")
def key_add(
    account: Annotated[str, typer.Argument(help="The code of the account that the key acts for.")],
    public: Annotated[
        str,
        typer.Option(
            metavar="FILE|TEXT", help="The public half of an Ed25519 key: hexadecimal, base64, PEM or OpenSSH."
        ),
    ],
    data_directory: DataDirectory = None,
    config: Config = None,
) -> None:
    """Register the public half of an Ed25519 key of an account for the binary door."""
    from beurs.keys import KEY_FILE, KeyFile
    from beurs.signing import read_public

    half = read_public(public)
    settings = load_settings(config, data_directory=data_directory)
    with _account_exists(settings, account):
        held = KeyFile(settings.data_directory / KEY_FILE).register(account, half)
    print(f"{half.hex()} key_id {held.key_id}")


@key_app.command("list")
def key_list(data_directory: DataDirectory = None, config: Config = None, json: Json = False) -> None:
    """List whose keys there are, on the server's machine. Limits and the kill switch name a key by its key_id."""
    from beurs.keys import KEY_FILE, KeyFile

    settings = load_settings(config, data_directory=data_directory)
    file = KeyFile(settings.data_directory / KEY_FILE)
    keys = [asdict(held) for held in file.read().values()]
    keys += [asdict(held) | {"ed25519": public.hex()} for public, held in file.public_halves().items()]
    columns = ("account", "key_id", "staff", "demo", "ed25519")
    output.document({"keys": keys}) if json else output.rows("keys", keys, columns)


@instrument_app.command("list")
def instrument_list(url: Url = LOCAL, json: Json = False) -> None:
    """List every instrument."""
    with Client(url, None) as client:
        answer = client.get("/v1/instruments")
    columns = ("symbol", "base", "quote", "tick_size", "lot_size", "min_quantity", "min_notional", "status")
    output.document(answer) if json else output.rows("instruments", answer["instruments"], columns)


@instrument_app.command("show")
def instrument_show(
    symbol: Annotated[str, typer.Argument(help="The instrument.")], url: Url = LOCAL, json: Json = False
) -> None:
    """Show one instrument."""
    with Client(url, None) as client:
        answer = client.get(f"/v1/instruments/{_segment(symbol)}")
    output.document(answer) if json else output.fields(answer)


# Files and directories.

Messages = Annotated[Path, typer.Argument(help="The message file.", exists=True, dir_okay=False)]
OrderBookFile = Annotated[Path, typer.Argument(help="The order book file.", exists=True, dir_okay=False)]


@replay_app.command("lobster")
def replay_lobster(messages: Messages, orderbook: OrderBookFile, json: Json = False) -> None:
    """Replay a LOBSTER day and compare the book with the order book file after every row.

    Exits with 3 if a row differs.
    """
    with output.progress("replaying") as report:
        result = engine.replay_lobster(str(messages), str(orderbook), report)
    _show_replay(result, json)


@replay_app.command("stream")
def replay_stream(
    stream: Messages,
    orderbook: OrderBookFile,
    grouped: Annotated[bool, typer.Option("--grouped", help="Hand over the orders of one moment together.")] = False,
    json: Json = False,
) -> None:
    """Replay a prepared stream of commands and compare the book with the order book file.

    Exits with 3 if a row differs or an execution missed its order.
    """
    with output.progress("replaying") as report:
        result = engine.replay_stream(str(stream), str(orderbook), grouped, report)
    _show_replay(result, json)


@store_app.command("rebuild")
def store_rebuild(config: Config = None, data_directory: DataDirectory = None) -> None:
    """Drop every table of the store and make it again from the journal. The exchange must not be running."""
    from beurs.store import Store, rebuild

    settings = load_settings(config, data_directory=data_directory)
    if not settings.has_journal:
        fail(f"{settings.data_directory}: there is no journal")
    node = engine.Node(str(settings.data_directory))
    try:
        with Store(settings.store_url) as store, output.progress("rebuilding") as report:
            position = rebuild(node, store, report)
    finally:
        node.close()
    print(f"rebuilt up to sequence {position:,}")


# Inside.


@contextmanager
def _account_exists(settings: Any, account: str) -> Iterator[None]:
    """Keeps out whoever else would make keys, and fails unless there is the account. A server may run meanwhile."""
    from beurs.keys import KEY_FILE, KeyFile

    if not settings.has_journal:
        fail(f"{settings.data_directory}: there is no journal")
    with KeyFile(settings.data_directory / KEY_FILE).locked():
        if account not in account_codes(settings):
            fail(f"{account}: there is no such account")
        yield


def _segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe=":")


def _show_report(answer: dict[str, Any], json: bool) -> None:
    if json:
        output.document(answer)
        return
    output.fields(answer)
    if answer.get("fills"):
        output.rows("fills", answer["fills"], ("trade_id", "price", "quantity", "notional", "fee", "liquidity"))


def _show_balances(answer: dict[str, Any]) -> None:
    output.rows("balances", answer["balances"], ("asset", "total", "held", "available"))


def _show_bench(results: dict[str, Any]) -> None:
    output.fields(results["machine"])
    for when in ("before", "after"):
        output.fields({f"load_{when}": " ".join(map(str, results[f"load_{when}"]))})
    measured = [
        {
            "measurement": row["name"],
            "figure": figure["figure"],
            **{name: _figure(figure[name]) for name in ("median", "least", "greatest")},
            "unit": figure["unit"],
            "what": row["what"],
        }
        for row in results["measurements"]
        for figure in row.get("figures", [])
    ]
    columns = ("median", "least", "greatest", "unit")
    if measured:
        output.rows(f"{results['rounds']} rounds", measured, ("measurement", "figure", *columns, "what"))
    peers = [
        {
            "peer": f"{row['name']} {row['version']}",
            **{name: _figure(row[name]) for name in ("median", "least", "greatest")},
            "unit": row["unit"],
            "of beurs": f"{row['ratio']['median']:.4f}",
            "same trades": row["same_trades"],
        }
        for row in results["peers"]
        if "median" in row
    ]
    if peers:
        output.rows("other order books, the same stream", peers, ("peer", *columns, "of beurs", "same trades"))
    for row in results["measurements"]:
        if "failed" in row:
            output.err.print(f"{row['name']}: {row['failed']}", markup=False)
    for row in results["peers"]:
        if "skipped" in row:
            output.out.print(f"{row['name']}: {row['skipped']}", markup=False)


def _figure(value: float) -> str:
    """Three digits at least."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _show_replay(result: dict[str, Any], json: bool) -> None:
    output.document(result) if json else output.fields(result)
    if not result["matches"]:
        raise typer.Exit(DIFFERS)
