"""Tables and figures from the statistics, by the paper's numbers where they have one, and the numbers that it states."""
