"""What is inside tasks, whatever runs their containers: the helper, its scripts, and what is read through them."""
