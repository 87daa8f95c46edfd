"""Lists: of a source's files, of what grows with the images beside a record, and of labels for people to fill in."""
