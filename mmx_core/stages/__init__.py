"""A sample's way to its explanation, in this order: conversation, prepare, passes, assemble."""
