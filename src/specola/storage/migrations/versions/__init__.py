"""One module for each revision; `specola.storage.revision` lists them."""
