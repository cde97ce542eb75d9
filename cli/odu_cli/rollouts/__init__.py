"""Roll-outs on the command line: their options, their live view, how plans and reasons print."""
