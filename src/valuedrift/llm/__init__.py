"""Chat models that the pipeline asks: over HTTP, through batch files, or in this process; every reply is journalled."""
