"""Trades: an account's own fills."""
