"""Troubles: what goes wrong with a storage, tried again while it passes, and told in one sentence."""
