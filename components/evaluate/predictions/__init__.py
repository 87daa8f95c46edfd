"""Predictions: what models say of the evaluated images, kept in the store and written to a table."""
