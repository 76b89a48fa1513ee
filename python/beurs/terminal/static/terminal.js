// The terminal: shows what /ws/market-data says about one instrument.
//
// Invariants: the book on the screen is the snapshot plus every update after it, or it is asked for again; what comes in
// is kept at once and drawn at most once a frame; nothing from the network is ever read as HTML. Decimals stay text;
// where they are compared or added up they become whole numbers (BigInt) of 10^-18.
"use strict";

const DEPTH = 20;
const TRADES_SHOWN = 60;
const SILENCE_MS = 20_000; // after so long without a word we ask, and after twice as long we connect anew
const RETRY_MS = [300, 1_000, 2_000, 4_000, 8_000];

const $ = (id) => document.getElementById(id);
const UNITS = 18;

/** A decimal text as a whole number of 10^-18. */
function units(text) {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(UNITS, "0"));
}

/** A whole number of 10^-18 as decimal text with so many decimals. */
function decimal(value, decimals) {
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(UNITS + 1, "0");
  const whole = digits.slice(0, -UNITS);
  const fraction = digits.slice(-UNITS).slice(0, decimals);
  return (negative ? "-" : "") + whole + (decimals ? "." + fraction : "");
}

/** Groups the digits before the point by three and fills up the decimals: "60123.5" with 2 is "60,123.50". */
function pretty(text, decimals) {
  const sign = text.startsWith("-") ? "−" : "";
  let [whole, fraction = ""] = text.replace("-", "").split(".");
  whole = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  fraction = decimals === undefined ? fraction : fraction.padEnd(decimals, "0");
  return sign + whole + (fraction ? "." + fraction : "");
}

const decimalsOf = (step) => (step.split(".")[1] || "").length;

const state = {
  instruments: [],
  instrument: null,
  bids: new Map(), // price text -> quantity text
  asks: new Map(),
  bookSequence: 0,
  trades: [],
  ticker: null,
  status: null,
  sequence: 0,
  newTrades: 0,
  changed: new Set(),
  dirty: { book: false, trades: false, ticker: false, status: false },
  frame: 0,
};

// ---------------------------------------------------------------- the stream

const stream = { socket: null, attempt: 0, heardAt: 0, retry: 0 };

function connect() {
  window.clearTimeout(stream.retry);
  show("connecting", stream.attempt ? "Reconnecting…" : "Connecting…");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/market-data`);
  stream.socket = socket;
  stream.heardAt = performance.now();
  socket.onopen = () => {
    stream.attempt = 0;
    show("live", "Live");
    if (state.instrument) subscribe("subscribe", state.instrument.symbol);
  };
  socket.onmessage = (event) => {
    stream.heardAt = performance.now();
    if (stream.socket === socket) receive(JSON.parse(event.data));
  };
  socket.onclose = () => {
    if (stream.socket === socket) disconnected();
  };
}

function disconnected() {
  stream.socket = null;
  const base = RETRY_MS[Math.min(stream.attempt, RETRY_MS.length - 1)];
  const wait = Math.round(base * (0.75 + Math.random() / 2));
  stream.attempt += 1;
  show("offline", stream.attempt > 1 ? `Offline, next attempt in ${Math.ceil(wait / 1000)} s` : "Connection lost");
  stream.retry = window.setTimeout(connect, wait);
}

function send(message) {
  if (stream.socket && stream.socket.readyState === WebSocket.OPEN) stream.socket.send(JSON.stringify(message));
}

function subscribe(op, symbol) {
  send({ op, channel: "depth", symbol, depth: DEPTH });
  send({ op, channel: "trades", symbol });
  send({ op, channel: "ticker", symbol });
  send({ op, channel: "status", symbol });
}

window.setInterval(() => {
  if (!stream.socket) return;
  const silent = performance.now() - stream.heardAt;
  if (silent > 2 * SILENCE_MS) {
    const socket = stream.socket;
    disconnected();
    socket.close();
  } else if (silent > SILENCE_MS) {
    send({ op: "ping" });
  }
}, 5_000);

window.addEventListener("online", () => { if (!stream.socket) connect(); });

function receive(message) {
  if (message.type === "error") {
    $("status").textContent = message.error.message;
    return;
  }
  if (!state.instrument || message.symbol !== state.instrument.symbol) return;
  if (message.sequence > state.sequence) state.sequence = message.sequence;
  const snapshot = message.type === "snapshot";
  if (!snapshot && message.type !== "update") return;
  if (message.channel === "depth") {
    if (snapshot) {
      state.bids = new Map(message.bids);
      state.asks = new Map(message.asks);
      state.changed.clear();
    } else if (message.previous_sequence !== state.bookSequence) {
      // Something is missing between what we have and this: begin again.
      send({ op: "subscribe", channel: "depth", symbol: message.symbol, depth: DEPTH });
      return;
    } else {
      apply(state.bids, message.bids);
      apply(state.asks, message.asks);
    }
    state.bookSequence = message.sequence;
    draw("book");
  } else if (message.channel === "trades") {
    if (snapshot) {
      state.trades = message.trades.slice(-TRADES_SHOWN).reverse();
      state.newTrades = 0;
    } else {
      state.trades.unshift(message);
      state.trades.length = Math.min(state.trades.length, TRADES_SHOWN);
      state.newTrades += 1;
    }
    draw("trades");
  } else if (message.channel === "ticker") {
    state.ticker = message;
    draw("ticker");
  } else if (message.channel === "status") {
    state.status = message;
    draw("status");
  }
}

function apply(half, changes) {
  for (const [price, quantity] of changes) {
    if (quantity === "0") half.delete(price);
    else half.set(price, quantity);
    state.changed.add(price);
  }
}

// ---------------------------------------------------------------- the screen

function show(name, text) {
  $("connection").dataset.state = name;
  $("connection-text").textContent = text;
  document.body.classList.toggle("stale", name === "offline");
}

function draw(part) {
  state.dirty[part] = true;
  if (!state.frame) state.frame = requestAnimationFrame(render);
}

function render() {
  state.frame = 0;
  const { dirty } = state;
  if (!state.instrument) return;
  if (dirty.book) renderBook();
  if (dirty.trades) renderTrades();
  if (dirty.ticker || dirty.trades) renderTicker();
  if (dirty.status) renderStatus();
  dirty.book = dirty.trades = dirty.ticker = dirty.status = false;
  $("sequence").textContent = pretty(String(state.sequence));
}

function sorted(half, descending) {
  const levels = [...half].map(([price, quantity]) => ({ price, quantity, at: units(price), units: units(quantity) }));
  levels.sort((a, b) => (a.at === b.at ? 0 : (a.at < b.at) === descending ? 1 : -1));
  let total = 0n;
  for (const level of levels) level.total = total += level.units;
  return levels;
}

function renderBook() {
  const bids = sorted(state.bids, true);
  const asks = sorted(state.asks, false);
  const deepest = [bids, asks].map((half) => (half.length ? half[half.length - 1].total : 0n));
  const most = deepest[0] > deepest[1] ? deepest[0] : deepest[1];
  renderHalf($("bids"), bids, most);
  renderHalf($("asks"), asks.slice().reverse(), most);
  state.changed.clear();
  const { tickDecimals } = state.instrument;
  if (bids.length && asks.length) {
    const [bid, ask] = [bids[0].at, asks[0].at];
    $("middle").textContent = pretty(decimal((bid + ask) / 2n, tickDecimals + 1).replace(/(\.\d+?)0$/, "$1"), tickDecimals);
    const points = Number((ask - bid) * 1_000_000n / ask) / 100;
    $("spread").textContent = `${pretty(decimal(ask - bid, tickDecimals))} (${points.toFixed(2)} bp)`;
  } else {
    $("middle").textContent = bids.length ? pretty(bids[0].price, tickDecimals) : asks.length ? pretty(asks[0].price, tickDecimals) : "–";
    $("spread").textContent = "–";
  }
}

function rows(body, count) {
  while (body.rows.length < count) {
    const row = body.insertRow();
    for (let i = 0; i < 3; i += 1) row.insertCell();
  }
  while (body.rows.length > count) body.deleteRow(-1);
  return body.rows;
}

function renderHalf(table, levels, most) {
  const { tickDecimals, lotDecimals } = state.instrument;
  const list = rows(table.tBodies[0], levels.length);
  levels.forEach((level, index) => {
    const row = list[index];
    const [price, quantity, total] = row.cells;
    put(price, pretty(level.price, tickDecimals));
    put(quantity, pretty(level.quantity, lotDecimals));
    put(total, pretty(decimal(level.total, lotDecimals), lotDecimals));
    row.style.setProperty("--depth", most ? `${Number(level.total * 1000n / most) / 10}%` : "0%");
    row.classList.toggle("changed", state.changed.has(level.price));
  });
}

function put(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

function renderTrades() {
  const body = $("trades").tBodies[0];
  const { tickDecimals, lotDecimals } = state.instrument;
  $("no-trades").hidden = state.trades.length > 0;
  const fresh = state.newTrades;
  state.newTrades = 0;
  const list = rows(body, state.trades.length);
  state.trades.forEach((trade, index) => {
    const row = list[index];
    const [price, quantity, time] = row.cells;
    const side = trade.aggressor_side; // null: both orders were in the book, in an auction
    put(price, `${side === null ? "◆" : side === "buy" ? "▲" : "▼"} ${pretty(trade.price, tickDecimals)}`);
    price.className = side || "";
    const who = side === null ? "in an auction" : `the ${side === "buy" ? "buyer" : "seller"} crossed`;
    price.title = `Trade ${trade.trade_id}, ${who}`;
    put(quantity, pretty(trade.quantity, lotDecimals));
    put(time, new Date(trade.timestamp).toLocaleTimeString([], { hour12: false }));
    row.classList.toggle("new", index < fresh);
  });
}

function renderTicker() {
  const { ticker, trades, instrument } = state;
  const { tickDecimals } = instrument;
  const price = (text) => (text === null || text === undefined ? "–" : pretty(text, tickDecimals));
  const last = trades.length ? trades[0] : null;
  const lastPrice = last ? last.price : ticker && ticker.last_price;
  $("last").textContent = price(lastPrice);
  const crossed = last && last.aggressor_side;
  $("last").className = `number ${crossed ? (crossed === "buy" ? "up" : "down") : ""}`;
  document.title = lastPrice ? `${price(lastPrice)} · ${instrument.symbol} · beurs` : `${instrument.symbol} · beurs`;
  if (!ticker) return;
  const down = ticker.change !== null && ticker.change.startsWith("-");
  const sign = ticker.change === null || down || ticker.change === "0" ? "" : "+";
  $("change").textContent = ticker.change === null
    ? "–"
    : `${sign}${price(ticker.change)} (${sign}${pretty(ticker.change_percent)} %)`;
  $("change").className = `number ${ticker.change === null || ticker.change === "0" ? "" : down ? "down" : "up"}`;
  $("high").textContent = price(ticker.high);
  $("low").textContent = price(ticker.low);
  $("volume").textContent = pretty(shorten(ticker.volume));
  $("notional").textContent = pretty(shorten(ticker.notional));
}

const STATUSES = {
  open: "",
  post_only: "Post-only orders",
  cancel_only: "Cancels only",
  halted: "Halted",
  auction: "Auction",
  pre_open: "Before the opening auction",
  closed: "Closed",
};
const REASONS = {
  price_band: "a price band was reached",
  trigger_cascade: "too many stop orders triggered one another",
  limit_state: "the best price stood at a price band",
};

function renderStatus() {
  const { status, instrument } = state;
  if (!status) return;
  const parts = [STATUSES[status.status] ?? status.status];
  if (status.status !== "open") {
    if (REASONS[status.reason]) parts.push(REASONS[status.reason]);
    if (status.auction_end_time) {
      parts.push(`until ${new Date(status.auction_end_time).toLocaleTimeString([], { hour12: false })}`);
    }
    const { indication } = status;
    if (indication) {
      parts.push(indication.price === null
        ? "nothing would trade now"
        : `${pretty(indication.volume)} ${instrument.base} would trade at ${pretty(indication.price, instrument.tickDecimals)}`);
    }
  } else if (status.limit_state) {
    parts[0] = `The best ${status.limit_state === "buy" ? "bid" : "ask"} stands at a price band`;
  }
  $("status").textContent = parts.join(", ");
}

/** At most so many digits as somebody wants to read; for totals only. */
function shorten(text) {
  const [whole, fraction = ""] = text.split(".");
  const kept = fraction.slice(0, whole.length > 5 ? 0 : 3);
  return kept ? `${whole}.${kept}` : whole;
}

// ---------------------------------------------------------------- the start

function choose(symbol) {
  const next = state.instruments.find((instrument) => instrument.symbol === symbol) || state.instruments[0];
  if (!next || next === state.instrument) return;
  if (state.instrument) subscribe("unsubscribe", state.instrument.symbol);
  state.instrument = next;
  state.bids = new Map();
  state.asks = new Map();
  state.bookSequence = 0;
  state.trades = [];
  state.ticker = null;
  state.status = null;
  for (const id of ["last", "change", "high", "low", "volume", "notional"]) $(id).textContent = "–";
  for (const span of document.querySelectorAll("[data-unit]")) span.textContent = `(${next[span.dataset.unit]})`;
  $("volume-unit").textContent = next.base;
  $("notional-unit").textContent = next.quote;
  $("instrument").value = next.symbol;
  $("status").textContent = "";
  history.replaceState(null, "", `#${next.symbol}`);
  subscribe("subscribe", next.symbol);
  draw("book");
  draw("trades");
}

async function load() {
  try {
    const response = await fetch("/v1/instruments", { headers: { accept: "application/json" } });
    if (!response.ok) throw new Error(`/v1/instruments: ${response.status}`);
    const { instruments } = await response.json();
    state.instruments = instruments.map((instrument) => ({
      ...instrument,
      tickDecimals: decimalsOf(instrument.tick_size),
      lotDecimals: decimalsOf(instrument.lot_size),
    }));
  } catch {
    window.setTimeout(load, 2_000);
    return;
  }
  const select = $("instrument");
  if (!state.instruments.length) {
    $("status").textContent = "No instruments are listed yet.";
    window.setTimeout(load, 5_000);
    return;
  }
  select.replaceChildren(...state.instruments.map(({ symbol }) => new Option(symbol, symbol)));
  select.disabled = false;
  choose(location.hash.slice(1));
}

$("instrument").addEventListener("change", (event) => choose(event.target.value));
window.addEventListener("hashchange", () => choose(location.hash.slice(1)));

function theme(name) {
  document.documentElement.dataset.theme = name;
}

$("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  theme(next);
  try { localStorage.setItem("theme", next); } catch { /* private mode: the choice lasts as long as the page */ }
});

let chosen = null;
try { chosen = localStorage.getItem("theme"); } catch { /* private mode */ }
theme(chosen || (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));

connect();
load();
