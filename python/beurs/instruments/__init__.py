"""Instruments: what can be traded, and in which steps."""
