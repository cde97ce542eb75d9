"""Pure rules and types: no I/O, no Azure, no clock; time and ids are arguments."""
