"""The binary door from Python."""
