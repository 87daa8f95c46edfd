"""Resolve: looks at the source before anything expensive starts."""
