"""What `web` answers gateways and connectors over the internal socket."""
