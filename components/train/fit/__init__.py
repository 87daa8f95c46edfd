"""Fit: training the head, and the layers that are unfrozen."""
