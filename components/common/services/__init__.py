"""Clients of other systems: what each knows of asking again, of time limits and of saying in one sentence what went wrong."""
