"""pawld: one process per home that owns the place: it wires engine, proxy, ledger and deploys, and serves the API.

This is the one package that picks the concrete parts. What does not belong here: any rule about deploys or instances.
"""
