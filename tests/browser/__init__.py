"""The panel in a real browser, over a real TensorBoard."""
