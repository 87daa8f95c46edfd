"""Likeness: which images show the same picture, among a million."""
