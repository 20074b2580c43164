"""The workflow's configuration: its schema, and the grid of runs that follows from it."""
