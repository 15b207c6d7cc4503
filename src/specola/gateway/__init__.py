"""The gateway carries bytes between visitors and tasks, after asking `web` whether they may."""
