"""What tools/bench and tools/eval have in common: commands and what they used, data, the running service, peers."""
