"""Tasks as batch jobs: a scheduler starts them on a node, and a one-file agent there starts the container."""
