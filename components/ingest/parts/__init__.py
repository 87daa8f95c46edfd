"""Ingest's work in parts: many check and store images side by side, and the step makes a Dataset of what they leave."""
