"""The pipeline that chains the steps, the places where it runs, and the `graft` command."""
