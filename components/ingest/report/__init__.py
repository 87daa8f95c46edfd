"""Report: what the dataset's page shows."""
