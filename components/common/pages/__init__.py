"""Pages: HTML that stands alone."""
