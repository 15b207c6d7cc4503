"""The connector: holds the ways into computings, answers questions about them, and offers streams as Unix sockets."""
