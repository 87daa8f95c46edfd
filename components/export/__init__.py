"""Export: a model that passed the gate, in the formats that servers load."""
