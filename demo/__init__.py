"""A small but real multimodal model, the scenes it describes, and its checkpoints."""
