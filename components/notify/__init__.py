"""Notify: the exit handler, which says how a run ended whatever happened."""
