"""Training tables from data sets: rows are read, sampled, split and described by a data card."""
