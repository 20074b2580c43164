"""Pairs of answers on opposite sides of a value (section 6.1, appendix E): find prompts, write and check answers."""
