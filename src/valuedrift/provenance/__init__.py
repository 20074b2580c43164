"""Where every artifact comes from, whether it is still what was made, and an archive of results for publication."""
