"""Other methods, from one common call."""
