"""The demo: a venue to try things on, and a market simulator that keeps its books alive."""
