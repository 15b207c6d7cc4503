"""Rules, transactions and the order of steps: one class for each noun. Imports ports, domain and storage only."""
