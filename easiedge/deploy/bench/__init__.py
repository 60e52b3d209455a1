"""What a network takes on the machine at hand, beside another one: milliseconds, memory, energy, and where the time goes."""
