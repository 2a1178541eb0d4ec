"""Stand-in providers that speak the real wire, and a workload. Tests and examples use them too."""
