"""The migrations, run by `specola.storage.migrate`; how to add one is in docs/developer/storage.md."""
