"""Pairs of answers that support and oppose a value (section 6.1, appendix E): find prompts, write and check answers."""
