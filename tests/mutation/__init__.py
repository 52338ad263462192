"""Small faults put into the library one by one, to see whether its tests notice."""
