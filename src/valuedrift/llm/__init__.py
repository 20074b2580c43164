"""Requests to chat models, over HTTP, through the Batch API or in this process; every reply is kept in a journal."""
