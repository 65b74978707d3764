"""Handing a run to other tools: trace and waveform viewers, tools of neuroscience, tables."""
