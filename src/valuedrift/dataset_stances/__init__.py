"""What data sets express (appendix K): the stances of their rows on the probes' topics, and the values they predict."""

EXPRESSION = ("shares.parquet", "gaps.parquet", "gap_summary.parquet", "nearest.parquet")
RECOVERY = ("shares.parquet", "gaps.parquet", "retrieval.parquet", "errors.json")
PREDICTION = ("predictions.parquet", "errors.parquet", "movers.parquet")
"""The files that `valuedrift.dataset_stances.write_tables` writes; here, so that rules can import them quickly."""
