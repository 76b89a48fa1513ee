"""Accounts: who may act for one, and what it has."""
