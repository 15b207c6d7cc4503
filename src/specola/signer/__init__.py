"""The process `signer`: certificates by which the platform enters accounts on hosts."""
