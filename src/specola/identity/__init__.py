"""Who somebody is: the ways of proving it, each behind the port of its kind."""
