"""The agent in two processes, so that who takes over the one on the network can install nothing.

The network half runs without privileges: it talks to the hub, downloads and reports. The installing
half runs with the rights that installing takes and has no network of its own to listen to: over a
local socket it is handed what the twin says and the bytes of files, and believes neither. It checks
the root key package, signature, hashes and compatibility by itself, with keys, settings and records
that the other half cannot write.

    network half                              installing half
    order {service, rootKeyPackage}  ----->   verify, or refuse
                                     <-----   fetch {number, url, file}
    fetched {number} + descriptor    ----->   copy, hash
                                     <-----   phase {phase, waiting}
    cancel {}                        ----->
                                     <-----   result {...}

A result is kept by the installing half until another workflow ends, so that an order that comes
again after a crash of either half is answered and not carried out twice.
"""
