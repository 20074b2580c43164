"""What data sets express (appendix K): their rows on the probes' topics, the stances of these, what they foretell."""

EXPRESSION = ("shares.parquet", "gaps.parquet", "gap_summary.parquet", "nearest.parquet")
RECOVERY = ("shares.parquet", "gaps.parquet", "retrieval.parquet", "errors.json")
PREDICTION = ("predictions.parquet", "errors.parquet", "movers.parquet")
"""The files of `valuedrift.dataset_stances.write_tables`, named here for rules, which load no library for them."""
