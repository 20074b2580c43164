"""Formats of data sets: convert rows of public data sets, or of your own files, to training rows."""
