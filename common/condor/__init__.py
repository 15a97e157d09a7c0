"""HTCondor: the schedd, and the text that its submit language reads."""
