"""Training with trl: one module per algorithm; trl's trainers are configured, never subclassed."""
