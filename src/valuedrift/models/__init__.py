"""Model folders, tokenizers' chat templates and sentence embeddings, as every stage reads them."""
