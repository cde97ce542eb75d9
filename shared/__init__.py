"""The service behind the triggers.

`contract` wire formats, `domain` rules, `ports` what is needed of the outside, `services` use
cases, `adapters` the outside itself, `http` what REST shares, `container` builds it all.
`messages` are the queues' contents, `topology` all names of stores, `settings` all app settings.
"""
