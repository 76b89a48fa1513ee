"""What an operator looks at: health, readiness, figures, metrics."""
