"""The worker: makes what is wanted true on the computings, and keeps the record true to what is there."""
