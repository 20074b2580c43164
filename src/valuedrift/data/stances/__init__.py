"""What data sets express (appendix K): the stances of their rows on the probes' topics, and the predicted values."""

EXPRESSION = ("shares.parquet", "gaps.parquet", "gap_summary.parquet", "nearest.parquet")
RECOVERY = ("shares.parquet", "gaps.parquet", "retrieval.parquet", "errors.json")
PREDICTION = ("predictions.parquet", "errors.parquet", "movers.parquet")
"""The files that `valuedrift.data.stances.write_tables` writes; named here so that rules import them quickly."""
