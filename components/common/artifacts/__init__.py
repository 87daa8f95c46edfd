"""Artifacts: what the steps hand to each other."""
