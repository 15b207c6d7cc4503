"""Hosts: machines that computings work on, each with an account's rights."""
