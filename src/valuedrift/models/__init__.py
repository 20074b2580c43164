"""Base models: made from scratch for the pocket world, or fetched by name and revision."""
