"""Tiny models, one module per group of families."""
