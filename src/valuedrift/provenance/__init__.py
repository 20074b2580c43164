"""Records of the origin of artifacts, checks that artifacts are unchanged, and archives of results to publish."""
