"""The WMS: what crosses the wire, and the client that sends it."""
