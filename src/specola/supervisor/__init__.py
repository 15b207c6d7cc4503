"""`specola up`: prepares the data folder, starts the four processes, and keeps them running."""
