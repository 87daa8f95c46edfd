"""Outcomes: what a step returns, and leaves in its run's records."""
