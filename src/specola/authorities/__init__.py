"""The installation's own certificate authorities, one module for each kind of certificate."""
