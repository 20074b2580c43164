"""The code around the stages: the configuration for rules, locks, Slurm, plans, and reasons why jobs run again."""
