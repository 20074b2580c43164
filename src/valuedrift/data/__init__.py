"""Make training tables from data sets: read, sample and split rows, and describe them in a data card."""
