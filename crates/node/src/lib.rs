//! Part of the beurs exchange.
