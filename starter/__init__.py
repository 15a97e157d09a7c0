"""Submits each pending taskforce as exactly one HTCondor cluster."""
