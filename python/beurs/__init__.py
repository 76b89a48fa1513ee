"""beurs: a complete exchange."""
