"""Labels that are probably wrong, by what the images themselves say."""
