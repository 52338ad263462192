"""The TensorBoard side: serves logged explanations to the panel. Never imports torch."""
