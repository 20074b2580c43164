"""What a target will take, before it is run: jobs, tokens, GPU hours, disk, dollars. docs/planning.md explains it."""
