"""Pretrained networks: found, checked, loaded once a process, kept out of pickles."""
