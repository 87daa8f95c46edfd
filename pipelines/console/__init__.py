"""What people see of a run while it goes on: a line a step on a terminal, plain lines elsewhere."""
