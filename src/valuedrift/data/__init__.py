"""From source files of public data sets to the two training tables and the probe set."""
