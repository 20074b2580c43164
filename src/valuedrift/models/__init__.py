"""Model folders, chat templates and sentence embeddings, for all stages."""
