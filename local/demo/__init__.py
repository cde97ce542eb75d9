"""The main job end to end, watched in a terminal: `./odu demo`."""
