"""A folder to put on the module search path of a process whose clock is to be wrong."""
