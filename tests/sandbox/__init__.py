"""The local access point: a real HTCondor pool, a stand-in WMS, and the demo."""
