"""Gate: decides by rules whether a model may be published."""
