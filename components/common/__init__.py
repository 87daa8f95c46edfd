"""What several steps share: storage, records, the dataset format, configuration and progress."""
