"""The paper's tables and figures, drawn from the statistics, and the numbers that the paper states."""
