"""Requests to chat models over HTTP, through the Batch API or in this process. A journal keeps every reply."""
