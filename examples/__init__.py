"""Whole scripts, one per framework: ``python -m examples.trainer`` and so on."""
