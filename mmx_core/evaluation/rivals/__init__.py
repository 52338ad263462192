"""Other methods, from one common call.

Written here rather than taken from captum: its attribution methods explain one scalar target per
forward and leave the batches, the teacher forcing and the way from token positions back to a grid
to the caller. Here one forward serves all ``T`` tokens of an answer (for occlusion: one per
picture), and what is left of each method is a few lines.
"""
