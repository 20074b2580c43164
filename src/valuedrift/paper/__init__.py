"""Tables and figures from the statistics, by the numbers of the paper, and the numbers that it states."""
