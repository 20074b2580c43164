"""Read public data sets and files of one's own into the two kinds of training tables."""
