"""What checkpoints can still do: standard benchmarks through lm-evaluation-harness (appendix I, table 17)."""
