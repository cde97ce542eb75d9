"""The main job end to end, watched in a terminal: `./odu demo`.

It drives the public REST API and the drop container, as users do; nothing of the service is called.
"""
