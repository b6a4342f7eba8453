"""The student, where it starts from, and the network that judges it."""
