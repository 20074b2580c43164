"""Values, drift and findings with their intervals, computed from judged stances.

The question is the cluster: one joint bootstrap over questions per topic gives all intervals, so that every
difference between runs, steps and stances is paired.
"""
