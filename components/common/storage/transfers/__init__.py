"""Transfers: whole files and ranges of remote ones, gone on with after trouble, and kept for the next time."""
