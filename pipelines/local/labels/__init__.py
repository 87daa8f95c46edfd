"""Walking a person through the labels that are probably wrong."""
