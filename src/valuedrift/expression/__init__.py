"""What data sets express (appendix K): their rows on the probes' topics, the stances of these, what they foretell."""
