"""Orders: entering, canceling, replacing, listing them."""
