"""Training with trl: one module per algorithm, configured and watched, never subclassed."""
