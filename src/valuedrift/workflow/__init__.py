"""The pipeline around the stages: what rules ask, locks, Slurm, plans, and why jobs run again."""
