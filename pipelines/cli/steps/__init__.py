"""The commands that run one step each, with options made from the step's configuration."""
