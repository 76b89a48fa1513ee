"""The scenarios through `beurs.Exchange`."""

from dataclasses import asdict

from beurs import Exchange
from beurs.exchange import Balance, Book
from beurs.reports import Event, ExecutionReport
from tests.scenarios.commands import Answer, Object, Unsayable, execute_in_process, set_up
from tests.scenarios.conftest import TALLIES
from tests.scenarios.runner import Door, Runner, Scenario, each_scenario


class InProcess(Door):
    """An exchange in memory, whose clock the scenario moves."""

    def __init__(self, ex: Exchange, venue: Object) -> None:
        self.ex = ex
        self.unsaid: list[str] = []
        self.begun_ns = set_up(ex, venue, ex.set_time)

    def set_time(self, time_ns: int) -> list[Event]:
        return self.ex.set_time(time_ns)

    def execute(self, kind: str, command: Object, order_id: int | None) -> Answer:
        answer = execute_in_process(self.ex, kind, command, order_id)
        if answer.unsaid:
            self.unsaid.append(f"{kind}: {answer.unsaid}")
        return answer

    def order(self, report: ExecutionReport) -> Object:
        order = self.ex.order(report.order_id)
        if order is None:
            assert report.status in ("filled", "canceled", "expired")
            return {}
        now = asdict(order)
        # The terms are told apart from the reports, and a report from before an order came to rest shows nothing of it.
        del now["terms"], now["displayed_quantity"]
        assert now == {key: value for key, value in asdict(report).items() if key in now}
        return now

    def open_orders(self, account: str) -> list[int]:
        return [order.order_id for order in self.ex.open_orders(account)]

    def book(self, symbol: str) -> Book:
        return self.ex.book(symbol, depth=1_000_000)

    def balance(self, account: str, asset: str) -> Balance:
        return self.ex.balance(account, asset)

    def trading_status(self, symbol: str) -> str:
        (row,) = (row for row in self.ex.node.instruments() if row["symbol"] == symbol)
        status: str = row["status"]
        return status

    def last_price(self, symbol: str) -> str | None:
        (row,) = (row for row in self.ex.node.instruments() if row["symbol"] == symbol)
        instrument = next(listed for listed in self.ex.instruments() if listed.symbol == symbol)
        return instrument.tick.text(row["last_price"]) if row["last_price"] else None


@each_scenario
def test_scenario_in_process(scenario: Scenario) -> None:
    """Every scenario comes out as written."""
    tally = TALLIES["in process"]
    with Exchange(clock="manual") as ex:
        door = InProcess(ex, scenario.venue)
        runner = Runner(scenario, door)
        try:
            runner.run()
        except Unsayable as unsayable:
            tally.skip(scenario, unsayable)
    tally.scenarios += 1
    tally.checks += runner.checks
    tally.unsaid += [f"{scenario.file}: {scenario.name}: {reason}" for reason in door.unsaid]
