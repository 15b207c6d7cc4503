"""`specola up`: prepares the data folder, starts the five processes, and keeps them running."""
