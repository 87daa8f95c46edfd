"""The mirror step: tells another registry what is in Graft's."""
