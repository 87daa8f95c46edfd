"""The commands for clusters: compile, submit, watch, schedule."""
