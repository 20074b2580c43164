"""Formats of data sets: how a row of a public data set, or of a file of your own, becomes a training row."""
