"""Market data over REST: book, trades, ticker, candles. Public."""
