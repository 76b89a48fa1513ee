"""The page in a real headless browser, over a real server with a live market."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from beurs import engine, terminal
from beurs.demo.simulator import Simulator
from beurs.engine import Node

from ..streams.conftest import Server
from ..venues import Venue
from ..waiting import WAIT_SECONDS_MAX

pytestmark = pytest.mark.browser

SCREENSHOTS = os.environ.get("BEURS_TEST_SCREENSHOTS")
"""A directory to keep what the browser showed. Playwright makes it."""


def test_the_page_is_served_with_a_strict_policy() -> None:
    with TestClient(Starlette(routes=terminal.routes())) as http:
        page = http.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "'unsafe" not in page.headers["content-security-policy"]
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert not re.search(r"<(script|style)\b[^>]*>[^<]|\son\w+=|\sstyle=|https?://(?!www\.w3\.org)", page.text)
        for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text):
            asset = http.get(path)
            assert asset.status_code == 200
            assert http.get(path, headers={"if-none-match": asset.headers["etag"]}).status_code == 304
        assert http.head("/").status_code == 200


def demo_routes(node: Node) -> list[BaseRoute]:
    async def instruments(_: Request) -> JSONResponse:
        codes = {asset["asset_id"]: asset["code"] for asset in node.assets()}
        return JSONResponse(
            {
                "instruments": [
                    {
                        "symbol": row["symbol"], "base": codes[row["base_id"]], "quote": codes[row["quote_id"]],
                        "tick_size": engine.format_decimal(1, row["tick_mantissa"], row["tick_scale"]),
                        "lot_size": engine.format_decimal(1, row["lot_mantissa"], row["lot_scale"]),
                        "status": row["status"],
                    }
                    for row in node.instruments()
                ]
            }
        )  # fmt: skip

    return [*terminal.routes(), Route("/v1/instruments", instruments)]


class Market:
    """The simulator in a thread of its own, fast."""

    def __init__(self, venue: Venue) -> None:
        self._stopping = threading.Event()
        self._venue = venue
        self._thread = threading.Thread(target=lambda: asyncio.run(self._trade()))
        self._thread.start()

    async def _trade(self) -> None:
        async def submit(command: bytes) -> bytes:
            return await asyncio.to_thread(self._venue.node.execute, command)

        simulator = Simulator(self._venue.node, submit, [2, 3, 4], seed=5, commands_per_second=300)
        await simulator.start()
        await asyncio.to_thread(self._stopping.wait)
        await simulator.stop()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    node = engine.Node(str(tmp_path / "journal"))
    venue = Venue(node, 7)
    venue.open()
    yield venue
    node.close()


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    playwright = pytest.importorskip(
        "playwright.async_api", reason="no playwright: the page is not tested in a browser"
    )
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium: the page is not tested in a browser")
    async with playwright.async_playwright() as p:
        chromium = await p.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield chromium
        await chromium.close()


@asynccontextmanager
async def opened(browser: Any, url: str, **options: Any) -> AsyncIterator[tuple[Any, list[str]]]:
    context = await browser.new_context(viewport={"width": 1280, "height": 860}, **options)
    page = await context.new_page()
    page.set_default_timeout(WAIT_SECONDS_MAX * 1_000)
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    yield page, complaints
    await context.close()


async def _texts(page: Any, selector: str) -> list[str]:
    texts: list[str] = await page.locator(selector).all_inner_texts()
    return texts


async def _screenshot(page: Any, name: str) -> None:
    if SCREENSHOTS:
        await page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


def _number(text: str) -> float:
    return float(re.sub(r"[^0-9.]", "", text))


async def test_the_page_shows_a_live_market(venue: Venue, browser: Any) -> None:
    server, market = Server(venue, routes=lambda: demo_routes(venue.node)), Market(venue)
    try:
        async with opened(browser, f"http://127.0.0.1:{server.port}/", color_scheme="dark") as (page, complaints):
            await page.wait_for_selector("#connection[data-state=live]")
            await page.wait_for_selector("#bids tbody tr:nth-child(5)")
            await page.wait_for_selector("#asks tbody tr:nth-child(5)")
            await page.wait_for_selector("#trades tbody tr:nth-child(3)")
            assert await page.locator("html").get_attribute("data-theme") == "dark"

            before = await _texts(page, "#bids tbody td, #asks tbody td")
            newest = (await _texts(page, "#trades tbody tr"))[0]
            for _ in range(WAIT_SECONDS_MAX * 10):
                await page.wait_for_timeout(100)
                trades_changed = (await _texts(page, "#trades tbody tr"))[0] != newest
                book_changed = await _texts(page, "#bids tbody td, #asks tbody td") != before
                if trades_changed and book_changed:
                    break
            assert trades_changed
            assert book_changed

            bids = [_number(text) for text in await _texts(page, "#bids tbody td:first-child")]
            asks = [_number(text) for text in await _texts(page, "#asks tbody td:first-child")]
            assert bids == sorted(bids, reverse=True)
            assert asks == sorted(asks, reverse=True)
            assert bids[0] < asks[-1]
            assert _number(await page.inner_text("#last")) > 0
            assert await page.inner_text("#volume") != "–"
            await _screenshot(page, "dark")

            market.stop()
            # The market stands still: what the page shows is the node's book.
            for half, levels in zip(("bids", "asks"), venue.node.book(1, 20)[1:], strict=True):
                expected = [(price, quantity) for price, quantity, _ in levels]
                for _ in range(WAIT_SECONDS_MAX * 10):
                    rows = [row.split() for row in await _texts(page, f"#{half} tbody tr")]
                    shown = [(round(_number(row[0]) * 100), round(_number(row[1]) * 10**6)) for row in rows]
                    if (shown if half == "bids" else shown[::-1]) == expected:
                        break
                    await page.wait_for_timeout(100)
                assert (shown if half == "bids" else shown[::-1]) == expected

            await page.select_option("#instrument", "ETH-BTC")
            await page.wait_for_selector("#bids tbody tr:nth-child(5)")
            assert await page.evaluate("location.hash") == "#ETH-BTC"
            assert 0.01 < _number((await _texts(page, "#bids tbody td:first-child"))[0]) < 1

            await page.click("#theme")
            assert await page.locator("html").get_attribute("data-theme") == "light"
            await _screenshot(page, "light")
            await page.set_viewport_size({"width": 400, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await _screenshot(page, "phone")
            assert complaints == []
    finally:
        market.stop()
        server.stop()


async def test_the_page_connects_again_by_itself(venue: Venue, browser: Any) -> None:
    server = Server(venue, routes=lambda: demo_routes(venue.node))
    port = server.port
    try:
        async with opened(browser, f"http://127.0.0.1:{port}/#ETH-USD") as (page, _):
            await page.wait_for_selector("#connection[data-state=live]")
            assert await page.locator("#instrument").input_value() == "ETH-USD"
            await asyncio.to_thread(server.stop)
            await page.wait_for_selector("#connection[data-state=offline]")
            await _screenshot(page, "offline")
            server = Server(venue, routes=lambda: demo_routes(venue.node), port=port)
            await page.wait_for_selector("#connection[data-state=live]", timeout=WAIT_SECONDS_MAX * 1_000)
            venue.run([engine.new_order(2, 2, 1, 1, 1, False, 0, 6_000, 5, 0, "")])
            await page.wait_for_selector("#bids tbody tr")
            assert await _texts(page, "#bids tbody td:first-child") == ["3,000.0"]
    finally:
        server.stop()
