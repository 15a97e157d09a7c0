"""The stand-in pilot: an image that keeps the real pilot's contract with the TMS and computes nothing."""
