"""Values, drift and findings with their intervals, computed from judged stances.

Questions are the clusters that are resampled. All intervals come from one joint bootstrap over questions per topic, so
every difference between runs, steps and stances is paired.
"""
