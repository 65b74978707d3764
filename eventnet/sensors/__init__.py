"""Where samples and targets come from: arrays, tables, generated signals and playlists of recordings.

`eventnet.sensors.spec` says what a stream is made of; `build_sensor` and `build_target` make it. A stream is
the same on every pass, and its random draws are keyed by the seed and its own name. In order: the source's
samples, the cut, the policies, the rate, jitter, dropout, scale, send-on-delta.
"""

from eventnet.sensors.build import build_sensor, build_target
from eventnet.sensors.playlist import Timeline, timeline
from eventnet.sensors.samples import StreamCounts

__all__ = ["StreamCounts", "Timeline", "build_sensor", "build_target", "timeline"]
