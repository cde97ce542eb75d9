"""What makes the service run on one machine; nothing that is deployed imports it.

`cloud` stands in for cloud services; `stack` starts and watches everything; `fleet` simulates
devices; `demo` shows the main job; `tools` are those of a checkout; `cli` is what only a checkout
has of `./odu`. The installable command line is `cli/odu_cli`.
"""
