"""Where every artifact comes from, whether it is unchanged, and archives of results for publication."""
