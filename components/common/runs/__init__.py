"""Runs: what each step noted when it ended, and what became of a run."""
